"""The verdicts of a pytest session as its reports come in, from this process or from workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from builder_contracts.evidence.verdict import Outcome, Verdict
from builder_contracts.reporting.tally import summarize
from builder_contracts.reporting.terminal import COLORS, summary_lines
from builder_contracts.reporting.verdict_data import from_data

if TYPE_CHECKING:
    import pytest


# Compared by identity: a session may hold two of them, the plugin's and that of whoever started it.
@dataclass(eq=False)
class Tally:
    """The verdicts of a session in the order of their reports."""

    verdicts: list[Verdict] = field(default_factory=list)
    interrupted: bool = False
    _clauses: dict[str, str] = field(default_factory=dict)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # pytest ends itself with a subclass, after errors of collection for example: nobody interrupted.
        self.interrupted = excinfo.type is KeyboardInterrupt

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Take the verdict of an item at the phase that decides: its call, or a set-up that did not pass."""
        if report.when != "call" and (report.when != "setup" or report.outcome == "passed"):
            return
        if data := getattr(report, "verdict", None):
            self.verdicts.append(from_data(data))

    def told_before(self, report: Any) -> bool:
        """Whether a report is of a clause that is unproven for the same reason as an earlier one."""
        data = getattr(report, "verdict", None)
        if report.when != "setup" or report.outcome != "failed" or not data:
            return False
        verdict = from_data(data)
        if verdict.outcome is not Outcome.UNPROVEN:
            return False
        return self._clauses.setdefault(verdict.observation, verdict.clause) != verdict.clause

    def count(self, outcome: Outcome) -> int:
        return sum(verdict.outcome is outcome for verdict in self.verdicts)

    def lines(self) -> Iterator[tuple[str, str]]:
        """The summary and the color of each of its lines."""
        groups = summarize(self.verdicts)
        width = max((len(group.name) for group in groups), default=0)
        for group in groups:
            yield "\n".join(summary_lines(group, width)), COLORS[group.worst]
