"""What the history means: pure functions from series and a time to what a page says.

*Unknown* is no verdict but the lack of a fresh one: evidence that is older than the policy allows says
nothing about today, whatever it said then.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from itertools import groupby, pairwise

from builder_contracts.dashboard.history.result import SEVERITY
from builder_contracts.dashboard.history.series import DAY_MS, Book, Clause, Point, Run, Series
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

    @property
    def nights(self) -> int:
        """From the night of its first answer to that of its last."""
        return self.last.run.night - self.first.run.night + 1


@dataclass(frozen=True)
class Change:
    """A clause broke: its last answer that was kept or waived, and its first broken one after that.

    ``before`` is None where it was never seen so; ``new`` says then that its class had reported already.
    ``unproven`` is how many nights in between could not tell.
    """

    before: Point | None
    after: Point
    unproven: int = 0
    new: bool = False

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

    ``breakages`` is each time that it broke, oldest first; ``expires`` is the time (milliseconds since
    1970, UTC) at which the evidence becomes too old, and ``sustained_until`` that at which C4 ends unless
    another night comes; ``withdrawn``: the contract that was given no longer has it.
    """

    series: Series
    state: State
    rung: Rung | None
    segments: tuple[Segment, ...]
    breakages: tuple[Change, ...]
    expires: int
    sustained_until: int
    withdrawn: bool = False

    @property
    def clause(self) -> Clause:
        return self.series.clause

    @property
    def last(self) -> Point:
        return self.series.points[-1]

    @property
    def since(self) -> Point:
        """The first answer of the present verdict; that nobody could look for a while ends no breakage."""
        if self.last.verdict is Outcome.BROKEN:
            return self.breakages[-1].after
        return self.segments[-1].first


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
    def oldest(self) -> int:
        """When the oldest evidence is from that counts still; the latest run where none does."""
        fresh = (one.last.run.started for one in self.clauses if one.state is not State.UNKNOWN)
        return min(fresh, default=self.run.started)

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
    """A clause that was kept in one run and not in the next, while image and contract did not change.

    ``changes`` counts that, also the other way about; ``pairs`` are the chances it had (two runs one after
    the other on the same digests). One change can be the environment's doing; there and back is a flake.
    ``latest`` is the answer after the latest change, ``bad`` the one of that change that was not kept.
    """

    report: ClauseReport
    changes: int
    pairs: int
    latest: Point
    bad: Point

    @property
    def rate(self) -> float:
        return self.changes / self.pairs

    @property
    def image_known(self) -> bool:
        """Whether the image of its latest change is known, or what was installed there at least."""
        return bool(self.latest.run.image_digest or packages(self.latest.run))


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
    begins = {(run.environment, run.builder): run.night for run in reversed(book.runs)}
    clauses = [
        _clause(
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
                _nights(standing),
                max((one.last.run for one in known), key=_time),
                missing,
            )
        )
    mornings = [
        _morning(environment, tuple(mine), max(due.values()))
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
    return _packages(run.identity)


@cache
def _packages(identity: str) -> str:
    found = _PACKAGES.search(identity)
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


def _breakages(stretches: Sequence[Segment], begins: int) -> Iterator[Change]:
    """Each time that a clause broke whose class first reported on the night ``begins``."""
    good: Point | None = None
    red, unproven = False, 0
    for stretch in stretches:
        if stretch.verdict is Outcome.BROKEN:
            if not red:
                first = stretch.first
                yield Change(good, first, unproven, new=good is None and first.run.night > begins)
            red = True
        elif stretch.verdict is Outcome.UNPROVEN:
            unproven += stretch.nights
        else:
            good, red, unproven = stretch.last, False, 0


def _due(runs: Sequence[Run], now: int) -> dict[str, int]:
    """The latest night of which evidence is due in each environment.

    That is its latest night with any run; a day that is over without one is a night without a run.
    """
    latest: dict[str, int] = {}
    for run in runs:
        latest[run.environment] = max(latest.get(run.environment, now // DAY_MS - 1), run.night)
    return latest


def _clause(
    series: Series, now: int, policy: Policy, contract: Collection[str] | None, *, due: int, begins: int
) -> ClauseReport:
    last = series.points[-1]
    expires = last.run.started + round(policy.stale_days * DAY_MS)
    fresh = now <= expires
    rung = last.rung if fresh and last.verdict is Outcome.KEPT else None
    if rung is Rung.LIVE and sustained(series.points, policy.sustained_nights, due):
        rung = Rung.SUSTAINED
    stretches = segments(series.points)
    return ClauseReport(
        series=series,
        state=State(last.verdict.value) if fresh else State.UNKNOWN,
        rung=rung,
        segments=stretches,
        breakages=tuple(_breakages(stretches, begins)),
        expires=expires,
        # When the day after the last due night is over, that day is due.
        sustained_until=(due + 2) * DAY_MS,
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
    """The worst answer of each night, so that what broke and was mended within it shows; of equals the last."""
    worst: dict[int, Point] = {}
    for point in points:
        before = worst.get(point.run.night)
        if before is None or SEVERITY[point.verdict] >= SEVERITY[before.verdict]:
            worst[point.run.night] = point
    return worst


def _morning(environment: str, classes: tuple[ClassReport, ...], latest: int) -> Morning:
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
        incidents=_incidents(red),
    )


def _incidents(red: Sequence[ClauseReport]) -> tuple[Incident, ...]:
    """Broken clauses by the run in which they broke, the latest first."""
    by_run: dict[int, list[ClauseReport]] = {}
    for one in red:
        by_run.setdefault(one.since.run.number, []).append(one)
    found = []
    for clauses in by_run.values():
        clause = clauses[0].clause
        change = telling(one.breakages[-1] for one in clauses)
        found.append(Incident(clause.environment, clause.builder, change, tuple(clauses)))
    return tuple(sorted(found, key=lambda one: -one.change.after.run.started))


def telling(changes: Iterable[Change]) -> Change:
    """Of what broke in one run, the clause that was seen well last: it bounds best what happened since."""
    return max(changes, key=lambda one: one.before.run.started if one.before else 0)


def flakes(clauses: Sequence[ClauseReport]) -> tuple[Flake, ...]:
    """Clauses that were kept and not kept on the same image and contract, the most often changed first."""
    found = []
    for one in clauses:
        pairs = 0
        changed = []
        for before, after in pairwise(one.series.points):
            if _looked_at(before.run) == _looked_at(after.run):
                pairs += 1
                # From broken to unproven and back nobody saw anything change, and a waiver is a decision.
                kept = before.verdict is Outcome.KEPT
                if kept is not (after.verdict is Outcome.KEPT) and Outcome.WAIVED not in (
                    before.verdict,
                    after.verdict,
                ):
                    changed.append((after, after if kept else before))
        if changed:
            found.append(Flake(one, len(changed), pairs, *changed[-1]))
    return tuple(sorted(found, key=lambda one: (-one.changes, -one.rate, -one.latest.run.started)))


def _looked_at(run: Run) -> tuple[str, str, str]:
    return run.image_digest, packages(run), run.contract_digest
