"""Parts that several pages share: the header, a run, a clause in a list, the age of evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from builder_contracts.dashboard.analysis.history_report import HistoryReport
from builder_contracts.dashboard.analysis.status import (
    BuilderStatus,
    ClauseState,
    ClauseStatus,
)
from builder_contracts.dashboard.history.series import HistorySnapshot, RecordedRun, format_instant
from builder_contracts.dashboard.site import urls, wording
from builder_contracts.verdict import Rung

View = dict[str, Any]


LIST_LIMIT = 40


_URGENT = (
    ClauseState.BROKEN,
    ClauseState.UNPROVEN,
    ClauseState.UNKNOWN,
    ClauseState.WAIVED,
    ClauseState.KEPT,
)


def build_head(report: HistoryReport) -> View:
    return {
        "as_of": format_instant(report.now),
        "as_of_words": wording.format_time(report.now),
        "simulated": report.simulated,
        "stale_days": report.policy.stale_days,
        "sustained_nights": report.policy.sustained_nights,
    }


def build_run(run: RecordedRun) -> View:
    return {
        "started": format_instant(run.started),
        "started_words": wording.format_time(run.started),
        "environment": run.environment,
        "builder": run.builder,
        "image": run.image,
        "image_digest": run.image_digest,
        "contract_digest": run.contract_digest,
        "engine": run.engine,
        "host": run.host,
        "runner": run.runner,
        "identity": run.identity,
        "simulated": bool(run.simulated),
    }


def build_rung(status: ClauseStatus) -> View:
    """Its rung, and the time at which C4 ends before the evidence does (0 for never)."""
    return {
        "rung": status.rung.value if status.rung else None,
        "rung_until": status.sustained_until if status.rung is Rung.SUSTAINED else 0,
    }


def build_brief(status: ClauseStatus, book: HistorySnapshot) -> View:
    last = status.last
    return {
        "id": status.clause.id,
        "local_id": status.clause.local_id,
        "builder": status.clause.builder,
        "kind": status.clause.kind,
        "href": f"{urls.clause_page(status.clause)}.html",
        "state": status.state.value,
        "expires": status.expires,
        **build_rung(status),
        "since": format_instant(status.since.run.started),
        "since_words": wording.format_date(status.since.run.started),
        "answered": format_instant(last.run.started),
        "answered_words": wording.format_time(last.run.started),
        "promised": book.text(last.promised),
        "seen": book.text(last.seen),
        "likely": book.text(last.likely),
    }


def build_list(
    clauses: Sequence[ClauseStatus],
    book: HistorySnapshot,
    night: int | None = None,
    *,
    most: int = LIST_LIMIT,
) -> View:
    """A list cut to a readable length; the rest is in the grid."""
    shown = []
    for clause in clauses[:most]:
        brief = build_brief(clause, book)
        if night is not None:
            brief["nights"] = night - clause.since.run.night + 1
        shown.append(brief)
    return {"clauses": shown, "more": max(0, len(clauses) - most)}


def build_ages(builder: BuilderStatus) -> list[tuple[int, str, str | None, int, bool, int]]:
    """The future states of its clauses: ``[expires, state, rung, end of C4, counts, clauses]``, a time of 0 for never.

    ``counts`` is of the class's rung: false for a limit of the host and for what is only declared.
    """
    counted = Counter(
        (
            clause.expires,
            clause.state.value,
            *build_rung(clause).values(),
            clause.is_shown if clause.state is ClauseState.KEPT else not clause.host_limit,
        )
        if clause.state is not ClauseState.UNKNOWN
        else (0, ClauseState.UNKNOWN.value, None, 0, True)
        for clause in builder.clauses
    )
    counted[0, ClauseState.UNKNOWN.value, None, 0, True] += len(builder.unreported)
    return [(*about, count) for about, count in counted.items() if count]


def by_urgency(builder: BuilderStatus) -> tuple[int, str]:
    return _URGENT.index(builder.state), builder.builder
