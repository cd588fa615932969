"""The status of clauses and builder classes at a given time.

*Unknown* is not a verdict but the lack of a current one: evidence that is older than the policy allows proves
nothing about today.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property
from itertools import groupby

from builder_contracts.dashboard.history.result import SEVERITY
from builder_contracts.dashboard.history.series import DAY_MS, ClauseKey, RecordedRun, RecordedVerdict, Series
from builder_contracts.verdict import Outcome, Rung


class ClauseState(Enum):
    """The state of a clause at the time of the report."""

    KEPT = "kept"
    WAIVED = "waived"
    UNPROVEN = "unproven"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Policy:
    """``stale_days``: age from which evidence is stale. ``sustained_nights``: nights in a row at C3
    that make C4."""

    stale_days: float = 3.0
    sustained_nights: int = 7


@dataclass(frozen=True)
class Segment:
    """Consecutive results with one verdict. ``points`` is their number; a night can have several."""

    verdict: Outcome
    first: RecordedVerdict
    last: RecordedVerdict
    points: int

    @property
    def nights(self) -> int:
        """From the night of its first result to that of its last."""
        return self.last.run.night - self.first.run.night + 1


@dataclass(frozen=True)
class Breakage:
    """A clause broke: its last result that was kept or waived, and the first broken one after it.

    ``before`` is None if there is none; ``new`` then means that its class had reported before.
    ``unproven`` is the number of unproven nights in between.
    """

    before: RecordedVerdict | None
    after: RecordedVerdict
    unproven: int = 0
    new: bool = False

    @property
    def suspects(self) -> tuple[str, ...]:
        """Other known changes between the two runs, the likeliest cause first."""
        if self.before is None:
            return ()
        old, new = self.before.run, self.after.run
        pairs = {
            "image": (old.image_digest, new.image_digest),
            "contract": (old.contract_digest, new.contract_digest),
            "packages": (package_digest(old), package_digest(new)),
            "host": (old.host, new.host),
            "engine": (old.engine, new.engine),
        }
        return tuple(name for name, (was, now) in pairs.items() if was and now and was != now)

    @property
    def image_known(self) -> bool:
        """Whether both runs state their image."""
        return bool(self.before and self.before.run.image_digest and self.after.run.image_digest)


@dataclass(frozen=True)
class ClauseStatus:
    """One clause at the time of the report.

    ``breakages`` is each time that it broke, oldest first; ``expires`` is the time (milliseconds since
    1970, UTC) at which the evidence becomes too old, and ``sustained_until`` that at which C4 ends unless
    another night comes; ``withdrawn``: the contract that was given no longer has it.
    """

    series: Series
    state: ClauseState
    rung: Rung | None
    segments: tuple[Segment, ...]
    breakages: tuple[Breakage, ...]
    expires: int
    sustained_until: int
    withdrawn: bool = False

    @property
    def clause(self) -> ClauseKey:
        return self.series.clause

    @property
    def last(self) -> RecordedVerdict:
        return self.series.points[-1]

    @property
    def host_limit(self) -> bool:
        """Whether it is unproven only because its runner or host can never prove it."""
        return self.state is ClauseState.UNPROVEN and self.last.host_limit

    @property
    def unconfirmed(self) -> bool:
        """Whether it is broken on a machine that is not shown to be a runner of its class."""
        return (
            self.state is ClauseState.BROKEN
            and self.last.run.runner == "local"
            and self.last.rung is Rung.DECLARED
        )

    @property
    def promises_rung(self) -> bool:
        """Whether its rung counts for its class: not if it is waived, out of reach, or a plain test."""
        plain_test = self.state is ClauseState.KEPT and self.last.rung is None
        return not (self.state is ClauseState.WAIVED or self.host_limit or plain_test)

    @cached_property
    def is_shown(self) -> bool:
        """Whether any run observed more of it than that the contract declares it."""
        return any(point.rung not in (None, Rung.DECLARED) for point in self.series.points)

    @property
    def since(self) -> RecordedVerdict:
        """The first result of the present verdict; a breakage does not end with nights that were unproven."""
        if self.last.verdict is Outcome.BROKEN:
            return self.breakages[-1].after
        return self.segments[-1].first


@dataclass(frozen=True)
class BuilderStatus:
    """One builder class in one environment.

    ``nights`` maps a night to the worst verdict of that night; ``run`` is the latest, None if the class
    never reported; ``unreported`` are clauses of the given contract that no run ever reported, and
    ``withdrawn`` those that it no longer has.
    """

    environment: str
    builder: str
    clauses: tuple[ClauseStatus, ...]
    nights: Mapping[int, Outcome]
    run: RecordedRun | None
    unreported: tuple[str, ...] = ()
    withdrawn: tuple[ClauseStatus, ...] = ()

    @property
    def counts(self) -> Counter[ClauseState]:
        counts = Counter(clause.state for clause in self.clauses)
        counts[ClauseState.UNKNOWN] += len(self.unreported)
        return counts

    @property
    def state(self) -> ClauseState:
        """The worst of its clauses, limits of the host left aside; unknown when nothing at all is known."""
        counts = self.counts
        satisfied = counts[ClauseState.KEPT] + counts[ClauseState.WAIVED]
        if counts[ClauseState.UNKNOWN] == sum(counts.values()):
            return ClauseState.UNKNOWN
        if counts[ClauseState.BROKEN]:
            return ClauseState.BROKEN
        # A class with clauses that are unknown is not kept, nor one of which its host can show nothing.
        if counts[ClauseState.UNPROVEN] > self.host_limits or counts[ClauseState.UNKNOWN] or not satisfied:
            return ClauseState.UNPROVEN
        if counts[ClauseState.WAIVED]:
            return ClauseState.WAIVED
        return ClauseState.KEPT

    @property
    def host_limits(self) -> int:
        """How many clauses are unproven only because the runner or host can never prove them."""
        return sum(clause.host_limit for clause in self.clauses)

    @property
    def unconfirmed(self) -> tuple[ClauseStatus, ...]:
        """Clauses that a machine broke which is not shown to be a runner of the class."""
        return tuple(clause for clause in self.clauses if clause.unconfirmed)

    @property
    def oldest(self) -> int | None:
        """Start of the oldest run whose evidence still counts, else of the latest run; None without any run."""
        fresh = (
            clause.last.run.started for clause in self.clauses if clause.state is not ClauseState.UNKNOWN
        )
        return min(fresh, default=self.run.started if self.run else None)

    @property
    def rung(self) -> Rung | None:
        """The weakest rung of what the class promises to show, None while any of that is not shown.

        A waived clause, a limit of the host and another tool's test promise no rung. A clause that is only
        declared lowers no other's rung.
        """
        promised = [clause for clause in self.clauses if clause.promises_rung]
        if self.unreported or any(clause.rung is None for clause in promised):
            return None
        shown = [clause.rung for clause in promised if clause.rung and clause.is_shown]
        return min(shown or [Rung.DECLARED] * bool(promised), key=list(Rung).index, default=None)

    @property
    def rungs(self) -> Counter[Rung]:
        return Counter(clause.rung for clause in self.clauses if clause.rung)


_PACKAGES = re.compile(r"\bpackages (sha256:[0-9a-f]+)")


def package_digest(run: RecordedRun) -> str:
    """The digest of the packages installed on a real runner, which cannot see its image; else empty."""
    return _find_package_digest(run.identity)


@cache
def _find_package_digest(identity: str) -> str:
    match = _PACKAGES.search(identity)
    return match[1] if match else ""


def split_segments(points: Sequence[RecordedVerdict]) -> tuple[Segment, ...]:
    """The results as stretches of one verdict."""
    segments = []
    for verdict, same in groupby(points, key=lambda point: point.verdict):
        stretch = list(same)
        segments.append(Segment(verdict, stretch[0], stretch[-1], len(stretch)))
    return tuple(segments)


def _find_breakages(stretches: Sequence[Segment], begins: int) -> Iterator[Breakage]:
    """Each breakage of a clause whose class first reported on the night ``begins``."""
    good: RecordedVerdict | None = None
    red, unproven = False, 0
    for stretch in stretches:
        if stretch.verdict is Outcome.BROKEN:
            if not red:
                first = stretch.first
                yield Breakage(good, first, unproven, new=good is None and first.run.night > begins)
            red = True
        elif stretch.verdict is Outcome.UNPROVEN:
            unproven += stretch.nights
        else:
            good, red, unproven = stretch.last, False, 0


def assess_clause(
    series: Series, now: int, policy: Policy, contract: Collection[str] | None, *, due: int, begins: int
) -> ClauseStatus:
    last = series.points[-1]
    expires = last.run.started + round(policy.stale_days * DAY_MS)
    fresh = now <= expires
    rung = last.rung if fresh and last.verdict is Outcome.KEPT else None
    if rung is Rung.LIVE and is_sustained(series.points, policy.sustained_nights, due):
        rung = Rung.SUSTAINED
    stretches = split_segments(series.points)
    return ClauseStatus(
        series=series,
        state=ClauseState(last.verdict.value) if fresh else ClauseState.UNKNOWN,
        rung=rung,
        segments=stretches,
        breakages=tuple(_find_breakages(stretches, begins)),
        expires=expires,
        # Once the day after the last due night is over, that day is due.
        sustained_until=(due + 2) * DAY_MS,
        withdrawn=contract is not None and series.clause.local_id not in contract,
    )


def is_sustained(points: Sequence[RecordedVerdict], nights: int, last: int) -> bool:
    """Whether each of the ``nights`` nights up to ``last`` has results, all of them kept at C3."""
    shown = set()
    for point in reversed(points):
        if point.run.night <= last - nights:
            break
        if point.verdict is not Outcome.KEPT or point.rung is not Rung.LIVE:
            return False
        shown.add(point.run.night)
    return len(shown) == nights


def worst_outcomes(clauses: Sequence[ClauseStatus]) -> dict[int, Outcome]:
    worst: dict[int, Outcome] = {}
    for clause in clauses:
        for night, point in worst_points(clause.series.points).items():
            if night not in worst or SEVERITY[point.verdict] > SEVERITY[worst[night]]:
                worst[night] = point.verdict
    return dict(sorted(worst.items()))


def worst_points(points: Sequence[RecordedVerdict]) -> dict[int, RecordedVerdict]:
    """The worst result of each night, so that a breakage fixed within it shows; of equals the last."""
    worst: dict[int, RecordedVerdict] = {}
    for point in points:
        before = worst.get(point.run.night)
        if before is None or SEVERITY[point.verdict] >= SEVERITY[before.verdict]:
            worst[point.run.night] = point
    return worst
