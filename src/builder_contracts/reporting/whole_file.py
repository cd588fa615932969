"""A report that is written atomically at the end of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder_contracts.contract import files
from builder_contracts.reporting.stream import RunInfo, RunSummary
from builder_contracts.verdict import Verdict


@dataclass(frozen=True)
class RunRecord:
    """A whole run: what a format that is written at the end is made of."""

    info: RunInfo
    verdicts: Sequence[Verdict]
    summary: RunSummary


Render = Callable[[RunRecord], str]
"""The text of a report."""


class WholeFile:
    """Collects the verdicts of a run and writes one text at its end.

    ``write`` takes the text; for a path, a temporary file next to it is written first, and then replaces it.
    """

    def __init__(self, render: Render, write: Callable[[str], None]) -> None:
        self._render = render
        self._write = write
        self._verdicts: list[Verdict] = []
        self._info: RunInfo | None = None

    def begin(self, info: RunInfo) -> None:
        self._info = info

    def add(self, verdict: Verdict) -> None:
        self._verdicts.append(verdict)

    def end(self, summary: RunSummary) -> None:
        if self._info is not None:
            self._write(self._render(RunRecord(self._info, tuple(self._verdicts), summary)))

    def abandon(self) -> None:
        self._verdicts.clear()


def to_file(path: Path) -> Callable[[str], None]:
    """Write a text to the path atomically."""

    def write(text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, text.encode("utf-8", "backslashreplace"))

    return write
