"""The stream of verdicts: a run begins, yields verdicts, and ends; reports receive each event."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from builder_contracts.errors import ExitCode
from builder_contracts.redaction import redact, redact_data
from builder_contracts.reporting.verdict_data import redacted
from builder_contracts.verdict import Verdict


@dataclass(frozen=True)
class RunInfo:
    """The data of a run at its start.

    ``run`` is its ID, ``command`` what the user started, ``started`` an RFC 3339 time in UTC. ``root`` is the judged
    checkout, or else the current directory; reports name files from the top of the Git repository around it.
    ``headlines`` are counts that are known before the first verdict; ``promised`` has the number of clauses in the
    contract of each class, whether selected or not.
    """

    run: str
    command: str
    root: Path
    started: str
    headlines: tuple[str, ...] = ()
    promised: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Skipped:
    """An input that a run could not read, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class RunSummary:
    """The data of a run at its end.

    ``skipped`` are inputs that could not be read, ``notes`` lines for a reader of any report. ``details`` are further
    fields of the JSON report.
    """

    exit_code: ExitCode
    seconds: float
    interrupted: bool = False
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


class Report(Protocol):
    """A listener on the stream that writes one format. Each method may raise OSError."""

    def begin(self, info: RunInfo, /) -> None: ...

    def add(self, verdict: Verdict, /) -> None: ...

    def end(self, summary: RunSummary, /) -> None:
        """Complete the report."""

    def abandon(self) -> None:
        """Leave nothing half-written: the run did not end."""


@dataclass(frozen=True)
class ReportFailure:
    """A report that could not be written."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"cannot write {self.name}: {self.reason}"


STANDARD_OUTPUT = "standard output"
"""The name of a report that is printed."""


class Reports:
    """All reports of one run. One that cannot be written is left out, and the others go on.

    Where standard output takes nothing more, the reports in files are completed first, and then the error is raised:
    the command line knows what to do about it.
    """

    def __init__(self, reports: Iterable[tuple[str, Report]]) -> None:
        self._reports = dict(reports)
        self._run = ""
        self._ended = False
        self._output_error: OSError | None = None
        self.failures: list[ReportFailure] = []

    def begin(self, info: RunInfo) -> None:
        self._run = info.run
        self._each(lambda report: report.begin(info))

    def add(self, verdict: Verdict) -> Verdict:
        """Report a verdict; returned as the reports have it: with the ID of the run, and without secrets."""
        if not verdict.origin.run:
            origin = dataclasses.replace(verdict.origin, run=self._run)
            verdict = dataclasses.replace(verdict, origin=origin)
        verdict = redacted(verdict)
        self._each(lambda report: report.add(verdict))
        return verdict

    def end(self, summary: RunSummary) -> ExitCode:
        """Complete all reports; the exit code of the run, which is another if a report could not be written."""
        self._ended = True
        summary = dataclasses.replace(
            summary,
            skipped=tuple(Skipped(redact(item.path), redact(item.reason)) for item in summary.skipped),
            notes=redact_data(summary.notes),
            details=redact_data(dict(summary.details)),
        )
        self._each(lambda report: report.end(summary))
        if self._output_error is not None:
            raise self._output_error
        return ExitCode.CANNOT_RUN if self.failures else summary.exit_code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._ended:
            self._each(lambda report: report.abandon())

    def _each(self, act: Callable[[Report], None]) -> None:
        for name, report in list(self._reports.items()):
            try:
                act(report)
            except OSError as error:
                del self._reports[name]
                report.abandon()
                if name != STANDARD_OUTPUT:
                    self.failures.append(ReportFailure(name, error.strerror or str(error)))
                elif self._reports:
                    self._output_error = error
                else:
                    raise
