"""The whole history, analyzed as of one time: the data for all pages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from builder_contracts.dashboard.analysis.flakes import Flake, find_flakes
from builder_contracts.dashboard.analysis.night_digest import (
    NightDigest,
    digest_night,
    live_environments_first,
)
from builder_contracts.dashboard.analysis.status import (
    BuilderStatus,
    ClauseStatus,
    Policy,
    assess_clause,
    worst_outcomes,
)
from builder_contracts.dashboard.history.series import DAY_MS, HistorySnapshot, RecordedRun

PromisedClauses = Mapping[str, Collection[str]]
"""The local IDs of the clauses that each builder class promises today."""


@dataclass(frozen=True)
class HistoryReport:
    """Everything that the pages show. ``now`` is in milliseconds since 1970, UTC.

    ``withdrawn`` are classes that reported verdicts of a contract and that no given contract has anymore.
    ``expected`` are the environments of which a report of every class is due each night.
    """

    now: int
    policy: Policy
    classes: tuple[BuilderStatus, ...]
    mornings: tuple[NightDigest, ...]
    flakes: tuple[Flake, ...]
    simulated: bool = False
    nights: tuple[int, int] | None = None
    withdrawn: tuple[BuilderStatus, ...] = ()
    expected: frozenset[str] = frozenset()


def analyze_history(
    book: HistorySnapshot,
    now: int,
    policy: Policy | None = None,
    contracts: PromisedClauses | None = None,
    *,
    expected: Collection[str] = (),
    complete: bool = True,
) -> HistoryReport:
    """Judge the whole history as of ``now``.

    Without ``contracts`` no clause and no class is withdrawn, and none is known to be missing. A class of the contracts
    is missing in each environment that is ``expected``, or, if none is, where classes of the pool report.
    ``contracts`` that are not ``complete`` show of no class that it is withdrawn.
    """
    rules = policy or Policy()
    due = _find_due_nights(book.runs, now)
    latest = max(due.values(), default=now // DAY_MS - 1)
    first_nights = {(run.environment, run.builder): run.night for run in reversed(book.runs)}
    clauses = [
        assess_clause(
            series,
            now,
            rules,
            None if contracts is None else contracts.get(series.clause.builder),
            due=due[series.clause.environment],
            begins=first_nights[series.clause.environment, series.clause.builder],
        )
        for series in book.series
    ]
    reported = [
        _report_builder(environment, builder, tuple(builder_clauses), contracts or {})
        for (environment, builder), builder_clauses in groupby(
            clauses, key=lambda clause: (clause.clause.environment, clause.clause.builder)
        )
    ]
    withdrawn = [
        builder
        for builder in reported
        if contracts is not None and complete and _is_withdrawn(builder, contracts)
    ]
    classes = [builder for builder in reported if builder not in withdrawn]
    classes += _find_never_reported(classes, contracts or {}, expected)
    classes.sort(key=lambda builder: (builder.environment, builder.builder))
    mornings = [
        digest_night(environment, tuple(builders), latest)
        for environment, builders in groupby(classes, key=lambda builder: builder.environment)
    ]
    nights = [run.night for run in book.runs]
    return HistoryReport(
        now=now,
        policy=rules,
        classes=tuple(classes),
        mornings=tuple(sorted(mornings, key=live_environments_first)),
        flakes=find_flakes([clause for builder in classes for clause in builder.clauses]),
        simulated=any(run.simulated for run in book.runs),
        nights=(min(nights), max(nights)) if nights else None,
        withdrawn=tuple(withdrawn),
        expected=frozenset(expected),
    )


def _report_builder(
    environment: str, builder: str, clauses: tuple[ClauseStatus, ...], contracts: PromisedClauses
) -> BuilderStatus:
    reported = {clause.clause.local_id for clause in clauses}
    promised = tuple(clause for clause in clauses if not clause.withdrawn)
    return BuilderStatus(
        environment=environment,
        builder=builder,
        clauses=promised,
        nights=worst_outcomes(promised),
        run=max((clause.last.run for clause in clauses), key=lambda run: run.started),
        unreported=tuple(name for name in contracts.get(builder, ()) if name not in reported),
        withdrawn=tuple(clause for clause in clauses if clause.withdrawn),
    )


def _is_withdrawn(builder: BuilderStatus, contracts: PromisedClauses) -> bool:
    """Whether no contract has the class anymore; another tool's report never had one."""
    return builder.builder not in contracts and bool(builder.run and builder.run.contract_digest)


def _find_never_reported(
    classes: Sequence[BuilderStatus], contracts: PromisedClauses, stated: Collection[str]
) -> Iterator[BuilderStatus]:
    """Classes of the contracts without any run where one is expected.

    That is in each of the ``stated`` environments. Where none is stated it is on real runners, else in images: which
    pool a class belongs to is in no contract, so one live environment that reports it is then enough.
    """
    if stated:
        reports = {(builder.environment, builder.builder) for builder in classes}
        for environment in stated:
            for name, clauses in contracts.items():
                if (environment, name) not in reports:
                    yield BuilderStatus(environment, name, (), {}, None, tuple(clauses))
        return
    environments = {builder.environment for builder in classes if builder.builder in contracts}
    live = {
        builder.environment
        for builder in classes
        if builder.environment in environments and builder.run and builder.run.runner != "docker"
    }
    expected = live or environments
    reported = {builder.builder for builder in classes if builder.environment in expected}
    for environment in expected:
        for name, clauses in contracts.items():
            if name not in reported:
                yield BuilderStatus(environment, name, (), {}, None, tuple(clauses))


def _find_due_nights(runs: Sequence[RecordedRun], now: int) -> dict[str, int]:
    """The latest night of which evidence is due in each environment.

    That is its latest night with any run; a day that is over without one is a night without a run.
    """
    latest: dict[str, int] = {}
    for run in runs:
        latest[run.environment] = max(latest.get(run.environment, now // DAY_MS - 1), run.night)
    return latest
