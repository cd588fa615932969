"""Measurements with their budgets, grouped by canary."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence

from builder_contracts.dashboard.analysis.history_report import HistoryReport
from builder_contracts.dashboard.history.series import DAY_MS, ClauseKey, HistorySnapshot, MeasuredValue
from builder_contracts.dashboard.site import urls, wording
from builder_contracts.dashboard.site.pages.parts import View, build_brief, build_head

_CLAIM = re.compile(r"(?:kernel claim|claim of this kernel): (.*)", re.DOTALL)
"""A kernel canary's witness that names the rung of the kernel's own claim ladder; older histories have the second form."""


def build_canaries_page(report: HistoryReport, book: HistorySnapshot) -> View:
    """Canaries and everything else that is measured, grouped by canary."""
    measured: dict[ClauseKey, dict[str, Sequence[MeasuredValue]]] = {}
    for (where, quantity), readings in book.measurements.items():
        measured.setdefault(where, {})[quantity] = readings
    groups: dict[tuple[str, str, str], list[View]] = {}
    claims: dict[tuple[str, str, str], str] = {}
    for builder in report.classes:
        for clause in builder.clauses:
            if clause.clause.canary or clause.clause in measured:
                name = clause.clause.canary or clause.clause.local_id
                quantities = sorted(measured.get(clause.clause, {}), key=_quantity_order)
                measurements = [
                    _build_measurement(quantity, measured[clause.clause][quantity]) for quantity in quantities
                ]
                view = {
                    **build_brief(clause, book),
                    "rung_name": wording.RUNG_NAMES[clause.rung] if clause.rung else "",
                    "measured": measurements,
                }
                key = (builder.environment, builder.builder, name)
                groups.setdefault(key, []).append(view)
                for witness in book.witnesses(clause.series, clause.last.run):
                    if match := _CLAIM.fullmatch(witness):
                        claims[key] = match[1]
    return {
        **build_head(report),
        "groups": [
            {
                "environment": environment,
                "builder": builder,
                "name": name,
                "id": urls.anchor(f"{environment}/{builder}/{name}"),
                "claim": claims.get((environment, builder, name)),
                "clauses": clauses,
            }
            for (environment, builder, name), clauses in groups.items()
        ],
    }


def canary_anchor(clause: ClauseKey) -> str:
    """The place on the page of canaries that belongs to a canary's clause."""
    return urls.anchor(f"{clause.environment}/{clause.builder}/{clause.canary}")


def _quantity_order(quantity: str) -> tuple[int, str]:
    """Times first, then hit rates, then sizes."""
    units = ("_seconds", "_ratio", "_bytes")
    return next((at for at, unit in enumerate(units) if quantity.endswith(unit)), len(units)), quantity


def _build_measurement(quantity: str, readings: Sequence[MeasuredValue]) -> View:
    values = [reading.value for reading in readings]
    last = readings[-1]
    over = False
    if last.budget is not None:
        over = last.value < last.budget if quantity.endswith("_ratio") else last.value > last.budget
    return {
        "quantity": quantity,
        "name": wording.quantity_name(quantity),
        "last": last.value,
        "last_words": wording.format_quantity(quantity, last.value),
        "budget": last.budget,
        "budget_words": None if last.budget is None else wording.format_quantity(quantity, last.budget),
        "floor": quantity.endswith("_ratio"),
        "over": over,
        "median_words": wording.format_quantity(quantity, statistics.median(values)),
        "trend_words": describe_trend(quantity, readings),
        "readings": [(reading.run.started, reading.value, reading.budget) for reading in readings],
    }


def describe_trend(quantity: str, readings: Sequence[MeasuredValue]) -> str:
    """The trend of the value: the slope between the medians of its first and its last quarter, if it is one."""
    if len(readings) < 12:
        return ""
    quarter = len(readings) // 4
    early, late = readings[:quarter], readings[-quarter:]
    was = statistics.median(reading.value for reading in early)
    now = statistics.median(reading.value for reading in late)
    # The mean, because a value that alternates between two levels has no median deviation.
    scatter = statistics.fmean(abs(reading.value - now) for reading in late)
    if was <= 0 or abs(now / was - 1) < 0.05 or abs(now - was) < 4 * scatter:
        return "steady"
    days = (late[0].run.started - early[0].run.started) / DAY_MS
    word = "risen" if now > was else "fallen"
    a, b = wording.format_quantity(quantity, was), wording.format_quantity(quantity, now)
    return f"{word} from {a} to {b} in {wording.format_nights(round(days))}"
