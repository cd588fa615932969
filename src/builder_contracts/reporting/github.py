"""GitHub Actions: annotations in the code, and the job summary.

Format: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from builder_contracts.errors import Location
from builder_contracts.reporting import markdown
from builder_contracts.reporting.located_results import located_results, repository_path, repository_root
from builder_contracts.reporting.stream import RunInfo, RunSummary
from builder_contracts.reporting.whole_file import RunRecord
from builder_contracts.verdict import Outcome, Verdict

SUMMARY_LIMIT = 1024 * 1024
"""Bytes that GitHub takes of one step's summary; a larger one is dropped as a whole."""


def escape_data(text: str) -> str:
    """Text for the message of a workflow command: without this a line break would begin another command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Text for a property of a workflow command, which a comma or colon would end."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def command(name: str, message: str, **properties: str) -> str:
    """A workflow command such as ``::error file=a.yaml,line=3::text``."""
    given = ",".join(f"{key}={escape_property(value)}" for key, value in properties.items() if value)
    return f"::{name} {given}::{escape_data(message)}"


def annotate(verdict: Verdict, root: Path) -> Iterator[str]:
    """Errors for what is broken, a warning for what could have been proven here and was not."""
    for result in located_results([verdict], root):
        text = "\n".join(filter(None, (result.text, f"fix: {result.fix}" if result.fix else "")))
        yield _annotation("error", verdict, result.path if result.inside else "", result.location, text)
    if verdict.outcome is Outcome.UNPROVEN and verdict.provable_here:
        path, inside = repository_path(verdict.location.file, Path.cwd(), repository_root(root))
        yield _annotation("warning", verdict, path if inside else "", verdict.location, verdict.observation)


def _annotation(level: str, verdict: Verdict, path: str, location: Location, text: str) -> str:
    title = f"{verdict.clause} is {verdict.outcome.value}"
    return command(level, text, file=path, line=str(location.line) if path else "", title=title)


def render(record: RunRecord) -> str:
    """The annotations of a whole run."""
    lines = [line for verdict in record.verdicts for line in annotate(verdict, record.info.root)]
    return "".join(f"{line}\n" for line in lines)


class GitHubAnnotations:
    """Prints annotations as verdicts come, and appends to the job summary at the end."""

    def __init__(self, stream: TextIO, summary: Path | None) -> None:
        self._stream = stream
        self._summary = summary
        self._info: RunInfo | None = None
        self._verdicts: list[Verdict] = []
        self._causes: set[str] = set()

    def begin(self, info: RunInfo) -> None:
        self._info = info

    def add(self, verdict: Verdict) -> None:
        self._verdicts.append(verdict)
        if self._info is None:
            return
        if verdict.outcome is Outcome.UNPROVEN:
            # GitHub shows ten annotations of a level per step: one cause takes one of them.
            if verdict.observation in self._causes:
                return
            self._causes.add(verdict.observation)
        for line in annotate(verdict, self._info.root):
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def end(self, summary: RunSummary) -> None:
        if self._info is None or self._summary is None:
            return
        text = markdown.render(RunRecord(self._info, tuple(self._verdicts), summary))
        data = text.encode("utf-8", "backslashreplace")
        with self._summary.open("ab") as stream:
            # Other steps of the job have files of their own; other commands of this step have not.
            if stream.tell() + len(data) <= SUMMARY_LIMIT:
                stream.write(data + b"\n")

    def abandon(self) -> None:
        pass
