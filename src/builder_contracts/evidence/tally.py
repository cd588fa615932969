"""Counts verdicts a class as reports come in, from this process or from workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from builder_contracts.errors import printable
from builder_contracts.evidence.record import from_properties
from builder_contracts.verdict import Outcome, Rung, Verdict

if TYPE_CHECKING:
    import pytest


class PytestReport(Protocol):
    """The part of a pytest report that is used here."""

    when: str
    outcome: str
    user_properties: list[tuple[str, object]]


@dataclass(frozen=True)
class SummaryLine:
    """A line of the summary and the colour that it has on a terminal."""

    text: str
    colour: str


# Compared by identity: a session may hold two of them, the plugin's and that of whoever started it.
@dataclass(eq=False)
class Tally:
    """The verdicts of a session in the order of their reports."""

    verdicts: list[Verdict] = field(default_factory=list)
    interrupted: bool = False
    _told: dict[str, str] = field(default_factory=dict)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # pytest ends itself with a subclass, after errors of collection for example: nobody interrupted.
        self.interrupted = excinfo.type is KeyboardInterrupt

    def pytest_runtest_logreport(self, report: PytestReport) -> None:
        """Take the verdict of an item at the phase that decides: its call, or a set-up that did not pass."""
        if report.when != "call" and (report.when != "setup" or report.outcome == "passed"):
            return
        verdict = from_properties(report.user_properties)
        if verdict is not None:
            self.verdicts.append(verdict)

    def told_before(self, report: PytestReport) -> bool:
        """Whether a report is of a clause that is unproven for the same reason as an earlier one."""
        if report.when != "setup" or report.outcome != "failed":
            return False
        verdict = from_properties(report.user_properties)
        if verdict is None or verdict.outcome is not Outcome.UNPROVEN:
            return False
        return self._told.setdefault(verdict.seen, verdict.clause) != verdict.clause

    def count(self, outcome: Outcome) -> int:
        return sum(verdict.outcome is outcome for verdict in self.verdicts)

    def lines(self) -> Iterator[SummaryLine]:
        """The summary: a line a class, then what was not kept and not shown as a failure either."""
        builders = list(dict.fromkeys(verdict.clause.partition("/")[0] for verdict in self.verdicts))
        width = max(map(len, builders), default=0)
        for builder in builders:
            yield self._line(builder, width)

    def _line(self, builder: str, width: int) -> SummaryLine:
        mine = [verdict for verdict in self.verdicts if verdict.clause.startswith(f"{builder}/")]
        counts = Counter(verdict.outcome for verdict in mine)
        rungs = Counter(verdict.rung for verdict in mine if verdict.outcome is Outcome.KEPT and verdict.rung)
        strength = ", ".join(f"{rungs[rung]} {rung.name.lower()}" for rung in Rung if rungs[rung])
        parts = [f"{counts[Outcome.KEPT]:3} kept" + (f" ({strength})" if strength else "")]
        parts += [f"{counts[outcome]} {outcome.value}" for outcome in (Outcome.BROKEN, Outcome.UNPROVEN)]
        if counts[Outcome.WAIVED]:
            parts.append(f"{counts[Outcome.WAIVED]} waived")
        image = next(
            (f"{verdict.image}@{verdict.image_digest[:19]}" for verdict in mine if verdict.image), ""
        )
        text = "   ".join([builder.ljust(width), *parts, image]).rstrip()
        reasons: dict[tuple[Outcome, str], list[str]] = {}
        for verdict in mine:
            if verdict.outcome in (Outcome.UNPROVEN, Outcome.WAIVED):
                clauses = reasons.setdefault((verdict.outcome, verdict.seen), [])
                clauses.append(verdict.clause.partition("/")[2])
        for (outcome, reason), clauses in reasons.items():
            # One cause, such as an engine that is gone, is one line however many clauses it takes along.
            what = (
                ", ".join(clauses) if len(clauses) < 4 else f"{len(clauses)} clauses, {clauses[0]} and others"
            )
            text += f"\n    {outcome.value:9} {what}: {printable(reason)}"
        if counts[Outcome.BROKEN]:
            return SummaryLine(text, "red")
        return SummaryLine(text, "yellow" if counts[Outcome.UNPROVEN] or counts[Outcome.WAIVED] else "green")
