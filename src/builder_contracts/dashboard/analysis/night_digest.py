"""What a night changed in one environment: what broke and since which run, what is kept again, what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from builder_contracts.dashboard.analysis.status import Change, ClassReport, ClauseReport, State
from builder_contracts.evidence.verdict import Outcome


@dataclass(frozen=True)
class Incident:
    """Clauses of one class that broke in the same run, and are broken still."""

    environment: str
    builder: str
    change: Change
    clauses: tuple[ClauseReport, ...]


@dataclass(frozen=True)
class Morning:
    """What is different from the night before, over all classes of one environment.

    ``unanswered`` are clauses of classes that did report, but not of them; ``silent`` are the other classes.
    ``missed`` is how many nights have passed since without any class of the environment.
    """

    environment: str
    night: int
    missed: int
    classes: tuple[ClassReport, ...]
    broke: tuple[ClauseReport, ...]
    mended: tuple[ClauseReport, ...]
    unproven: tuple[ClauseReport, ...]
    waived: tuple[ClauseReport, ...]
    unanswered: tuple[ClauseReport, ...]
    new: tuple[ClauseReport, ...]
    silent: tuple[ClassReport, ...]
    stale: tuple[ClauseReport, ...]
    standing: tuple[ClauseReport, ...]
    incidents: tuple[Incident, ...]


def digest_night(environment: str, classes: tuple[ClassReport, ...], latest: int) -> Morning:
    """``latest`` is the night that any environment is to have reported."""
    night = max(one.run.night for one in classes)
    told = [one for each in classes for one in each.clauses]
    reported = [one for one in told if one.last.run.night == night]
    new, turned = [], defaultdict(list)
    for one in reported:
        before = next((point for point in reversed(one.series.points) if point.run.night < night), None)
        if before is None:
            new.append(one)
        elif before.verdict is not one.last.verdict:
            turned[one.last.verdict].append(one)
    red = sorted(
        (one for one in told if one.state is State.BROKEN),
        key=lambda one: (one.since.run.started, one.clause.id),
    )
    first_night = min(point.run.night for one in told for point in one.series.points[:1])
    return Morning(
        environment=environment,
        night=night,
        missed=latest - night,
        classes=classes,
        broke=tuple(one for one in red if one.since.run.night == night),
        mended=tuple(turned[Outcome.KEPT]),
        unproven=tuple(turned[Outcome.UNPROVEN]),
        waived=tuple(turned[Outcome.WAIVED]),
        unanswered=tuple(
            one
            for each in classes
            for one in each.clauses
            if one.last.run.night < each.run.night and one.state is not State.UNKNOWN
        ),
        # On the first night of all, everything is new and that says nothing.
        new=tuple(new) if night > first_night else (),
        silent=tuple(one for one in classes if one.run.night < night),
        stale=tuple(one for one in told if one.state is State.UNKNOWN),
        standing=tuple(red),
        incidents=_group_incidents(red),
    )


def _group_incidents(red: Sequence[ClauseReport]) -> tuple[Incident, ...]:
    """Broken clauses by the run in which they broke, the latest first."""
    by_run: dict[int, list[ClauseReport]] = {}
    for one in red:
        by_run.setdefault(one.since.run.number, []).append(one)
    found = []
    for clauses in by_run.values():
        clause = clauses[0].clause
        change = best_bounded(one.breakages[-1] for one in clauses)
        found.append(Incident(clause.environment, clause.builder, change, tuple(clauses)))
    return tuple(sorted(found, key=lambda one: -one.change.after.run.started))


def best_bounded(changes: Iterable[Change]) -> Change:
    """Of what broke in one run, the clause that was seen well last: it bounds best what happened since."""
    return max(changes, key=lambda one: one.before.run.started if one.before else 0)


def live_environments_first(morning: Morning) -> tuple[bool, str]:
    """What was seen on real runners comes before what was seen in images."""
    return all(one.run.runner == "docker" for one in morning.classes), morning.environment
