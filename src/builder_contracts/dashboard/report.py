"""What the history means: pure functions from series and a time to what a page says.

*Unknown* is no verdict but the lack of a fresh one: evidence that is older than the policy allows says
nothing about today, whatever it said then.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby, pairwise

from builder_contracts.dashboard.model import SEVERITY
from builder_contracts.dashboard.series import DAY_MS, Book, Clause, Point, Run, Series
from builder_contracts.evidence.verdict import Outcome, Rung


class State(Enum):
    """How a clause stands at the time of the report."""

    KEPT = "kept"
    WAIVED = "waived"
    UNPROVEN = "unproven"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Policy:
    """``stale_days``: age at which evidence says nothing more. ``sustained_nights``: nights in a row at C3
    that make C4."""

    stale_days: float = 3.0
    sustained_nights: int = 7


@dataclass(frozen=True)
class Segment:
    """Consecutive answers of one verdict. ``points`` is how many; a night can have several."""

    verdict: Outcome
    first: Point
    last: Point
    points: int


@dataclass(frozen=True)
class Change:
    """Two answers one after the other that differ; ``before`` is None where history begins."""

    before: Point | None
    after: Point

    @property
    def suspects(self) -> tuple[str, ...]:
        """What else changed between the two runs, most telling first; empty when nothing that is known did."""
        if self.before is None:
            return ()
        old, new = self.before.run, self.after.run
        pairs = {
            "image": (old.image_digest, new.image_digest),
            "contract": (old.contract_digest, new.contract_digest),
            "packages": (packages(old), packages(new)),
            "host": (old.host, new.host),
            "engine": (old.engine, new.engine),
        }
        return tuple(name for name, (was, now) in pairs.items() if was and now and was != now)

    @property
    def image_known(self) -> bool:
        """Whether both runs know which image they looked at."""
        return bool(self.before and self.before.run.image_digest and self.after.run.image_digest)


@dataclass(frozen=True)
class ClauseReport:
    """One clause at the time of the report.

    ``since`` is the first answer of the present verdict, ``change`` what happened there; ``expires`` is the
    time (milliseconds since 1970, UTC) at which the evidence becomes too old; ``withdrawn``: the contract
    that was given no longer has it.
    """

    series: Series
    state: State
    rung: Rung | None
    segments: tuple[Segment, ...]
    expires: int
    withdrawn: bool = False

    @property
    def clause(self) -> Clause:
        return self.series.clause

    @property
    def last(self) -> Point:
        return self.series.points[-1]

    @property
    def since(self) -> Point:
        return self.segments[-1].first

    @property
    def change(self) -> Change:
        before = self.segments[-2].last if len(self.segments) > 1 else None
        return Change(before, self.since)


@dataclass(frozen=True)
class Incident:
    """Clauses of one class that broke in the same run, and are broken still."""

    environment: str
    builder: str
    change: Change
    clauses: tuple[ClauseReport, ...]


@dataclass(frozen=True)
class ClassReport:
    """One builder class in one environment.

    ``nights`` maps a night to the worst verdict of that night; ``run`` is the latest; ``unreported`` are
    clauses that the given contract has and no run ever answered.
    """

    environment: str
    builder: str
    clauses: tuple[ClauseReport, ...]
    nights: Mapping[int, Outcome]
    run: Run
    unreported: tuple[str, ...] = ()

    @property
    def counts(self) -> Counter[State]:
        counts = Counter(one.state for one in self.clauses)
        counts[State.UNKNOWN] += len(self.unreported)
        return counts

    @property
    def state(self) -> State:
        """The worst of its clauses; unknown when nothing at all is known."""
        counts = self.counts
        if counts[State.UNKNOWN] == sum(counts.values()):
            return State.UNKNOWN
        if counts[State.BROKEN]:
            return State.BROKEN
        # Where some clauses have no fresh answer, the class cannot pass for kept.
        if counts[State.UNPROVEN] or counts[State.UNKNOWN]:
            return State.UNPROVEN
        if counts[State.WAIVED]:
            return State.WAIVED
        return State.KEPT

    @property
    def rung(self) -> Rung | None:
        """The highest rung that any clause stands on."""
        reached = [one.rung for one in self.clauses if one.rung]
        return max(reached, key=list(Rung).index, default=None)

    @property
    def rungs(self) -> Counter[Rung]:
        return Counter(one.rung for one in self.clauses if one.rung)


@dataclass(frozen=True)
class Flake:
    """A clause whose verdict changed while image and contract did not.

    ``changes`` counts that; ``pairs`` are the chances it had (two runs one after the other on the same
    digests). One change can be the environment's doing; there and back is a flake.
    """

    report: ClauseReport
    changes: int
    pairs: int
    latest: Point

    @property
    def rate(self) -> float:
        return self.changes / self.pairs


@dataclass(frozen=True)
class Morning:
    """What is different from the night before, over all classes of one environment."""

    environment: str
    night: int
    classes: tuple[ClassReport, ...]
    broke: tuple[ClauseReport, ...]
    mended: tuple[ClauseReport, ...]
    unproven: tuple[ClauseReport, ...]
    new: tuple[ClauseReport, ...]
    silent: tuple[ClassReport, ...]
    stale: tuple[ClauseReport, ...]
    standing: tuple[ClauseReport, ...]
    incidents: tuple[Incident, ...]


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


def report(
    book: Book, now: int, policy: Policy | None = None, contracts: Mapping[str, Collection[str]] | None = None
) -> Report:
    """Judge the whole history as of ``now``.

    ``contracts`` maps a class to the local ids of its clauses as they are promised today; without it no
    clause is taken for withdrawn, and none for unreported.
    """
    rules = policy or Policy()
    promised = contracts or {}
    due = _due(book.runs, now)
    clauses = [
        _clause(series, now, rules, promised, due[series.clause.environment]) for series in book.series
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
                _nights(standing),
                max((one.last.run for one in known), key=_time),
                missing,
            )
        )
    mornings = [
        _morning(environment, tuple(mine))
        for environment, mine in groupby(classes, key=lambda one: one.environment)
    ]
    nights = [run.night for run in book.runs]
    return Report(
        now=now,
        policy=rules,
        classes=tuple(classes),
        mornings=tuple(sorted(mornings, key=_the_pool_first)),
        flakes=flakes(clauses),
        simulated=any(run.simulated for run in book.runs),
        nights=(min(nights), max(nights)) if nights else None,
    )


_PACKAGES = re.compile(r"\bpackages (sha256:[0-9a-f]+)")


def packages(run: Run) -> str:
    """The digest of what was installed on a real runner, which cannot see its image; else empty."""
    found = _PACKAGES.search(run.identity)
    return found[1] if found else ""


def _the_pool_first(morning: Morning) -> tuple[bool, str]:
    """What was seen on real runners comes before what was seen in images."""
    return all(one.run.runner == "docker" for one in morning.classes), morning.environment


def _time(run: Run) -> int:
    return run.started


def segments(points: Sequence[Point]) -> tuple[Segment, ...]:
    """The answers as stretches of one verdict."""
    found = []
    for verdict, same in groupby(points, key=lambda point: point.verdict):
        stretch = list(same)
        found.append(Segment(verdict, stretch[0], stretch[-1], len(stretch)))
    return tuple(found)


def _due(runs: Sequence[Run], now: int) -> dict[str, int]:
    """The latest night of which evidence is due in each environment.

    That is its latest night with any run; a day that is over without one is a night without a run.
    """
    latest: dict[str, int] = {}
    for run in runs:
        latest[run.environment] = max(latest.get(run.environment, now // DAY_MS - 1), run.night)
    return latest


def _clause(
    series: Series, now: int, policy: Policy, promised: Mapping[str, Collection[str]], due: int
) -> ClauseReport:
    last = series.points[-1]
    expires = last.run.started + round(policy.stale_days * DAY_MS)
    fresh = now <= expires
    rung = last.rung if fresh and last.verdict is Outcome.KEPT else None
    if rung is Rung.LIVE and sustained(series.points, policy.sustained_nights, due):
        rung = Rung.SUSTAINED
    contract = promised.get(series.clause.builder)
    return ClauseReport(
        series=series,
        state=State(last.verdict.value) if fresh else State.UNKNOWN,
        rung=rung,
        segments=segments(series.points),
        expires=expires,
        withdrawn=contract is not None and series.clause.local_id not in contract,
    )


def sustained(points: Sequence[Point], nights: int, last: int) -> bool:
    """Whether every answer of the ``nights`` nights up to ``last`` is kept at C3, and none of them lacks one."""
    shown = set()
    for point in reversed(points):
        if point.run.night <= last - nights:
            break
        if point.verdict is not Outcome.KEPT or point.rung is not Rung.LIVE:
            return False
        shown.add(point.run.night)
    return len(shown) == nights


def _nights(clauses: Sequence[ClauseReport]) -> dict[int, Outcome]:
    worst: dict[int, Outcome] = {}
    for one in clauses:
        for night, point in by_night(one.series.points).items():
            if night not in worst or SEVERITY[point.verdict] > SEVERITY[worst[night]]:
                worst[night] = point.verdict
    return dict(sorted(worst.items()))


def by_night(points: Sequence[Point]) -> dict[int, Point]:
    """The last answer of each night."""
    return {point.run.night: point for point in points}


def _morning(environment: str, classes: tuple[ClassReport, ...]) -> Morning:
    night = max(one.run.night for one in classes)
    told = [one for each in classes for one in each.clauses]
    reported = [one for one in told if one.last.run.night == night]
    broke, mended, unproven, new = [], [], [], []
    for one in reported:
        before = next((point for point in reversed(one.series.points) if point.run.night < night), None)
        verdict = one.last.verdict
        if before is None:
            new.append(one)
        if verdict is Outcome.BROKEN and (before is None or before.verdict is not Outcome.BROKEN):
            broke.append(one)
        elif before is not None and verdict is Outcome.KEPT and before.verdict is not Outcome.KEPT:
            mended.append(one)
        elif before is not None and verdict is Outcome.UNPROVEN and before.verdict is not Outcome.UNPROVEN:
            unproven.append(one)
    red = sorted(
        (one for one in told if one.state is State.BROKEN),
        key=lambda one: (one.since.run.started, one.clause.id),
    )
    first_night = min(point.run.night for one in told for point in one.series.points[:1])
    return Morning(
        environment=environment,
        night=night,
        classes=classes,
        broke=tuple(broke),
        mended=tuple(mended),
        unproven=tuple(unproven),
        # On the first night of all, everything is new and that says nothing.
        new=tuple(new) if night > first_night else (),
        silent=tuple(one for one in classes if one.run.night < night),
        stale=tuple(one for one in told if one.state is State.UNKNOWN),
        standing=tuple(red),
        incidents=_incidents(red),
    )


def _incidents(red: Sequence[ClauseReport]) -> tuple[Incident, ...]:
    """Broken clauses by the run in which they broke, the latest first."""
    by_run: dict[int, list[ClauseReport]] = {}
    for one in red:
        by_run.setdefault(one.since.run.number, []).append(one)
    found = []
    for clauses in by_run.values():
        # The clause whose history reaches back furthest before the change tells most about it.
        telling = max(clauses, key=lambda one: one.change.before is not None)
        clause = telling.clause
        found.append(Incident(clause.environment, clause.builder, telling.change, tuple(clauses)))
    return tuple(sorted(found, key=lambda one: -one.change.after.run.started))


def flakes(clauses: Sequence[ClauseReport]) -> tuple[Flake, ...]:
    """Clauses that changed verdict on the same image and contract, those that did so most often first."""
    found = []
    for one in clauses:
        changes = pairs = 0
        latest = None
        for before, after in pairwise(one.series.points):
            if _digests(before.run) == _digests(after.run):
                pairs += 1
                if before.verdict is not after.verdict and Outcome.WAIVED not in (
                    before.verdict,
                    after.verdict,
                ):
                    changes += 1
                    latest = after
        if latest is not None:
            found.append(Flake(one, changes, pairs, latest))
    return tuple(sorted(found, key=lambda one: (-one.changes, -one.rate, -one.latest.run.started)))


def _digests(run: Run) -> tuple[str, str]:
    return run.image_digest, run.contract_digest
