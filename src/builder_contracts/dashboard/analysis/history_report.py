"""The whole history, analysed as of one time: all that the pages show."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from builder_contracts.dashboard.analysis.flakes import Flake, find_flakes
from builder_contracts.dashboard.analysis.night_digest import Morning, digest_night, live_environments_first
from builder_contracts.dashboard.analysis.status import ClassReport, Policy, assess_clause, worst_outcomes
from builder_contracts.dashboard.history.series import DAY_MS, Book, Run


@dataclass(frozen=True)
class Report:
    """Everything that the pages show. ``now`` is in milliseconds since 1970, UTC."""

    now: int
    policy: Policy
    classes: tuple[ClassReport, ...]
    mornings: tuple[Morning, ...]
    flakes: tuple[Flake, ...]
    simulated: bool = False
    nights: tuple[int, int] | None = field(default=None)


def analyze_history(
    book: Book, now: int, policy: Policy | None = None, contracts: Mapping[str, Collection[str]] | None = None
) -> Report:
    """Judge the whole history as of ``now``.

    ``contracts`` maps a class to the local ids of its clauses as they are promised today; without it no
    clause is taken for withdrawn, and none for unreported.
    """
    rules = policy or Policy()
    promised = contracts or {}
    due = _find_due_nights(book.runs, now)
    begins = {(run.environment, run.builder): run.night for run in reversed(book.runs)}
    clauses = [
        assess_clause(
            series,
            now,
            rules,
            promised.get(series.clause.builder),
            due=due[series.clause.environment],
            begins=begins[series.clause.environment, series.clause.builder],
        )
        for series in book.series
    ]
    classes = []
    for (environment, builder), mine in groupby(
        clauses, key=lambda one: (one.clause.environment, one.clause.builder)
    ):
        known = tuple(mine)
        answered = {one.clause.local_id for one in known}
        missing = tuple(local for local in promised.get(builder, ()) if local not in answered)
        standing = tuple(one for one in known if not one.withdrawn) or known
        classes.append(
            ClassReport(
                environment,
                builder,
                standing,
                worst_outcomes(standing),
                max((one.last.run for one in known), key=_started),
                missing,
            )
        )
    mornings = [
        digest_night(environment, tuple(mine), max(due.values()))
        for environment, mine in groupby(classes, key=lambda one: one.environment)
    ]
    nights = [run.night for run in book.runs]
    return Report(
        now=now,
        policy=rules,
        classes=tuple(classes),
        mornings=tuple(sorted(mornings, key=live_environments_first)),
        flakes=find_flakes(clauses),
        simulated=any(run.simulated for run in book.runs),
        nights=(min(nights), max(nights)) if nights else None,
    )


def _started(run: Run) -> int:
    return run.started


def _find_due_nights(runs: Sequence[Run], now: int) -> dict[str, int]:
    """The latest night of which evidence is due in each environment.

    That is its latest night with any run; a day that is over without one is a night without a run.
    """
    latest: dict[str, int] = {}
    for run in runs:
        latest[run.environment] = max(latest.get(run.environment, now // DAY_MS - 1), run.night)
    return latest
