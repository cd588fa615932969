"""The changes of one night in one environment: broken, kept again, missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from builder_contracts.dashboard.analysis.status import Breakage, BuilderStatus, ClauseState, ClauseStatus
from builder_contracts.dashboard.history.series import RecordedRun
from builder_contracts.verdict import Outcome


@dataclass(frozen=True)
class Incident:
    """Clauses of one class that broke in the same run and are still broken."""

    environment: str
    builder: str
    change: Breakage
    clauses: tuple[ClauseStatus, ...]


@dataclass(frozen=True)
class NightDigest:
    """The changes since the night before, over all classes of one environment.

    ``unanswered`` are clauses without a result although their class reported; ``silent`` are classes that
    reported before, but not that night, and ``never_reported`` those that a contract alone knows.
    ``missed`` is how many nights have passed since without any class of the environment.
    """

    environment: str
    night: int
    missed: int
    classes: tuple[BuilderStatus, ...]
    broke: tuple[ClauseStatus, ...]
    mended: tuple[ClauseStatus, ...]
    unproven: tuple[ClauseStatus, ...]
    waived: tuple[ClauseStatus, ...]
    unanswered: tuple[ClauseStatus, ...]
    new: tuple[ClauseStatus, ...]
    silent: tuple[BuilderStatus, ...]
    never_reported: tuple[BuilderStatus, ...]
    stale: tuple[ClauseStatus, ...]
    standing: tuple[ClauseStatus, ...]
    incidents: tuple[Incident, ...]


def digest_night(environment: str, classes: tuple[BuilderStatus, ...], latest: int) -> NightDigest:
    """``latest`` is the night that any environment is to have reported."""
    night = max((builder.run.night for builder in classes if builder.run), default=latest)
    clauses = [clause for builder in classes for clause in builder.clauses]
    new, turned = [], defaultdict(list)
    for clause in clauses:
        if clause.last.run.night != night:
            continue
        earlier = next((point for point in reversed(clause.series.points) if point.run.night < night), None)
        if earlier is None:
            new.append(clause)
        elif earlier.verdict is not clause.last.verdict:
            turned[clause.last.verdict].append(clause)
    broken = sorted(
        (clause for clause in clauses if clause.state is ClauseState.BROKEN),
        key=lambda clause: (clause.since.run.started, clause.clause.id),
    )
    first_night = min((clause.series.points[0].run.night for clause in clauses), default=night)
    return NightDigest(
        environment=environment,
        night=night,
        missed=latest - night,
        classes=classes,
        broke=tuple(clause for clause in broken if clause.since.run.night == night),
        mended=tuple(turned[Outcome.KEPT]),
        unproven=tuple(turned[Outcome.UNPROVEN]),
        waived=tuple(turned[Outcome.WAIVED]),
        unanswered=tuple(
            clause
            for builder in classes
            for clause in builder.clauses
            if builder.run
            and clause.last.run.night < builder.run.night
            and clause.state is not ClauseState.UNKNOWN
        ),
        # On the very first night every clause is new.
        new=tuple(new) if night > first_night else (),
        silent=tuple(builder for builder in classes if builder.run and builder.run.night < night),
        never_reported=tuple(builder for builder in classes if builder.run is None),
        stale=tuple(clause for clause in clauses if clause.state is ClauseState.UNKNOWN),
        standing=tuple(broken),
        incidents=_group_incidents(broken),
    )


def _group_incidents(broken: Sequence[ClauseStatus]) -> tuple[Incident, ...]:
    """Broken clauses by the check in which they broke, the latest first."""
    by_check: list[list[ClauseStatus]] = []
    for clause in broken:
        check = next((clauses for clauses in by_check if _broke_in_one_check(clauses[0], clause)), None)
        if check is None:
            by_check.append([clause])
        else:
            check.append(clause)
    incidents = [
        Incident(
            clauses[0].clause.environment,
            clauses[0].clause.builder,
            best_bounded(clause.breakages[-1] for clause in clauses),
            tuple(clauses),
        )
        for clauses in by_check
    ]
    return tuple(sorted(incidents, key=lambda incident: -incident.change.after.run.started))


def _broke_in_one_check(first: ClauseStatus, other: ClauseStatus) -> bool:
    """Whether two clauses broke in the same run, or in two parts of one check.

    Quick clauses, proofs and canaries are runs of their own: on one night, of one machine and the same inputs, and no
    clause is in two of them. A clause that the first run had judged already broke later.
    """
    before, after = first.since.run, other.since.run
    if before.number == after.number:
        return True
    return _surroundings(before) == _surroundings(after) and not any(
        point.run.number == before.number for point in other.series.points
    )


def _surroundings(run: RecordedRun) -> tuple[object, ...]:
    return (
        run.environment,
        run.builder,
        run.night,
        run.image_digest,
        run.contract_digest,
        run.host,
        run.runner,
        run.identity,
    )


def best_bounded(changes: Iterable[Breakage]) -> Breakage:
    """The breakage of the clause that was kept last: of all breakages of one run, it best limits the time of the change."""
    return max(changes, key=lambda change: change.before.run.started if change.before else 0)


def live_environments_first(morning: NightDigest) -> tuple[bool, str]:
    """A sort key: what was observed on real runners comes before what was observed in images."""
    runs = [builder.run for builder in morning.classes if builder.run]
    return all(run.runner == "docker" for run in runs), morning.environment
