"""The results of each clause in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple, cast

from builder_contracts.contract.promises.canaries import SHOWS
from builder_contracts.dashboard.history.store import OUTCOMES, RUNGS, History
from builder_contracts.verdict import Outcome, Rung

DAY_MS = 24 * 3600 * 1000

_Row = tuple[int, int, int | None, float, int, int, int, int, int, int, bool]


class RecordedRun(NamedTuple):
    """One class in one environment at one time (``started``: milliseconds since 1970, UTC)."""

    number: int
    environment: str
    builder: str
    image_digest: str
    contract_digest: str
    started: int
    image: str = ""
    engine: str = ""
    host: str = ""
    runner: str = ""
    identity: str = ""
    simulated: bool = False

    @property
    def night(self) -> int:
        """The run's date in UTC as days since 1970."""
        return self.started // DAY_MS


class RecordedVerdict(NamedTuple):
    """The result of one run for one clause. Texts are numbers: see ``Book.text``."""

    run: RecordedRun
    verdict: Outcome
    rung: Rung | None
    seconds: float
    promised: int
    seen: int
    source: int
    likely: int
    look: int
    why: int
    host_limit: bool = False


@dataclass(frozen=True)
class ClauseKey:
    """The clause of a series. ``id`` is unique among all classes of an environment."""

    environment: str
    builder: str
    kind: str
    name: str

    @property
    def local_id(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def id(self) -> str:
        return f"{self.builder}/{self.kind}/{self.name}"

    @property
    def canary(self) -> str:
        """Its canary: ``linux-xr-boot-release`` belongs to ``linux-xr``. Else empty."""
        if self.kind != "canaries":
            return ""
        ends = [f"-{show}" for show in SHOWS if self.name.endswith(f"-{show}")]
        return self.name.removesuffix(max(ends, key=len, default=""))


@dataclass
class Series:
    """All results of one clause in one environment, oldest first; never empty."""

    clause: ClauseKey
    number: int
    points: list[RecordedVerdict] = field(default_factory=list)


class MeasuredValue(NamedTuple):
    """One measured value of a run, and its budget then."""

    run: RecordedRun
    value: float
    budget: float | None


@dataclass
class HistorySnapshot:
    """A history in memory. ``series`` are ordered by environment, class and clause as they first came."""

    runs: Sequence[RecordedRun]
    series: Sequence[Series]
    measurements: Mapping[tuple[ClauseKey, str], Sequence[MeasuredValue]]
    _history: History
    _texts: dict[int, str] = field(default_factory=dict)

    def text(self, number: int) -> str:
        """A text by its number."""
        if number not in self._texts:
            row = self._history.row("SELECT value FROM text WHERE id = ?", number)
            if row is None:
                raise self._history.corrupt("a text is missing")
            self._texts[number] = cast(str, row[0])
        return self._texts[number]

    def witnesses(self, series: Series, run: RecordedRun) -> list[str]:
        """The witnesses of one result."""
        rows = self._history.rows(
            "SELECT witness FROM witness WHERE run = ? AND clause = ? ORDER BY position",
            run.number,
            series.number,
        )
        return [self.text(cast(int, number)) for (number,) in rows]


def load_snapshot(history: History, until: int | None = None) -> HistorySnapshot:
    """Read everything but the texts, which are fetched when they are needed.

    With ``until`` (milliseconds since 1970, UTC) only what had started by then is read. Raises HistoryError.
    """
    runs = [
        RecordedRun(*cast(tuple[int, str, str, str, str, int, str, str, str, str, str, bool], row))
        for row in history.rows(
            "SELECT id, environment, builder, image_digest, contract_digest, started, image, engine, host,"
            " runner, identity, simulated FROM run WHERE started <= coalesce(?, started) ORDER BY started, id",
            until,
        )
    ]
    clauses = {
        cast(int, number): (cast(str, kind), cast(str, name))
        for number, kind, name in history.rows("SELECT id, kind, name FROM clause")
    }
    series: dict[tuple[str, int], Series] = {}
    for run in runs:
        rows = history.rows(
            "SELECT clause, verdict, rung, seconds, promised, seen, source, likely, look, why, host_limit"
            " FROM result WHERE run = ? ORDER BY clause",
            run.number,
        )
        for clause, verdict, rung, *rest, limit in cast(Iterable[_Row], rows):
            key = (run.environment, clause)
            if key not in series:
                series[key] = Series(ClauseKey(run.environment, run.builder, *clauses[clause]), clause)
            point = (run, OUTCOMES[verdict], None if rung is None else RUNGS[rung], *rest, limit == 1)
            series[key].points.append(RecordedVerdict._make(point))
    by_number = {run.number: run for run in runs}
    measured: dict[tuple[ClauseKey, str], list[MeasuredValue]] = {}
    for number, clause, quantity, value, budget in cast(
        Iterable[tuple[int, int, str, float, float | None]],
        history.rows("SELECT run, clause, quantity, value, budget FROM measurement"),
    ):
        if number in by_number:
            run = by_number[number]
            where = series[run.environment, clause].clause
            measured.setdefault((where, quantity), []).append(MeasuredValue(run, value, budget))
    for readings in measured.values():
        readings.sort(key=lambda reading: reading.run.started)
    ordered = sorted(
        series.values(),
        key=lambda clause_series: (
            clause_series.clause.environment,
            clause_series.clause.builder,
            clause_series.number,
        ),
    )
    return HistorySnapshot(runs, ordered, measured, history)


def format_night(night: int) -> str:
    """The date of a night, as 2026-03-12."""
    return date.fromordinal(date(1970, 1, 1).toordinal() + night).isoformat()


def format_instant(milliseconds: int) -> str:
    """A time as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
