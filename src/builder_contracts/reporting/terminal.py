"""Verdicts for a person at a terminal: broken clauses as they come, and a summary at the end."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TextIO

from builder_contracts.errors import printable
from builder_contracts.reporting.stream import RunInfo, RunSummary
from builder_contracts.reporting.tally import SummaryLine, summarize
from builder_contracts.reporting.whole_file import RunRecord
from builder_contracts.verdict import Contradiction, Outcome, Verdict

Paint = Callable[[str, str], str]
"""Text in a color, if the terminal has colors."""

COLORS = {
    Outcome.KEPT: "green",
    Outcome.BROKEN: "red",
    Outcome.UNPROVEN: "yellow",
    Outcome.WAIVED: "yellow",
}

_PAD = 14
_MOST_SKIPPED = 10
_MOST_BLOCKS = 5
_MOST_LINES = 8


def painter(stream: TextIO, env: Mapping[str, str] = os.environ) -> Paint:
    """Color on a terminal, unless NO_COLOR is set (https://no-color.org: any value that is not empty)."""
    if not stream.isatty() or env.get("NO_COLOR"):
        return plain
    import click

    return lambda text, color: click.style(text, fg=color)


def plain(text: str, _: str) -> str:
    """No color."""
    return text


def format_verdict(verdict: Verdict, paint: Paint = plain, *, folded: bool = False) -> str:
    """The verdict as a block of lines: where, what was promised, what was observed, and what to do.

    Contradictions in one file that have the same cause and fix share a block; ``folded`` shortens long lists.
    """
    if verdict.outcome is Outcome.BROKEN and verdict.contradictions:
        causes: dict[tuple[object, ...], list[Contradiction]] = {}
        for item in verdict.contradictions:
            causes.setdefault((item.location.file, item.other, item.other_text, item.fix), []).append(item)
        groups = list(causes.values())
        shown = groups[:_MOST_BLOCKS] if folded else groups
        blocks = [_contradiction(verdict, group, paint, folded=folded) for group in shown]
        if rest := groups[len(shown) :]:
            files = len({group[0].location.file for group in rest})
            places = f"{sum(map(len, rest))} more of {verdict.local_id} in {files} "
            blocks.append(f"  … and {places}{'file' if files == 1 else 'files'} (--verbose)")
        return "\n\n".join(blocks)
    origin, image = verdict.origin, ""
    if origin.image:
        image = f"   (image {origin.image}@{origin.image_digest[:19]}…, {origin.seconds:.2f} s)"
    label = "reason" if verdict.outcome is Outcome.UNPROVEN else "observed"
    fields = [("promised", verdict.promise), (label, verdict.observation + image)]
    fields += [("witness", witness) for witness in verdict.witnesses]
    fields += [
        ("likely cause", verdict.cause),
        ("why it matters", " ".join(verdict.why.split())),
        ("fix", verdict.fix),
        ("try", verdict.inspect),
    ]
    return _block(f"{verdict.location}  {verdict.local_id}", verdict.outcome, fields, paint)


def _contradiction(verdict: Verdict, group: Sequence[Contradiction], paint: Paint, *, folded: bool) -> str:
    """The contradictions of one file with the same cause."""
    first = group[0]
    name = verdict.local_id if verdict.builder == "platform" else verdict.clause
    lines = list(dict.fromkeys(str(item.location.line) for item in group[1:]))
    more = lines[_MOST_LINES:] if folded else []
    also = ", ".join(lines[: len(lines) - len(more)]) + (f" and {len(more)} more" if more else "")
    fields = [
        ("promised", verdict.promise),
        ("observed", first.text),
        ("also on lines", also),
        ("conflicts with", f"{first.other_text}   ({first.other})"),
        ("why it matters", " ".join(verdict.why.split())),
        ("fix", first.fix),
    ]
    return _block(f"{first.location}  {name}", verdict.outcome, fields, paint)


def _block(head: str, outcome: Outcome, fields: Iterable[tuple[str, str]], paint: Paint) -> str:
    lines = [f"{printable(head)}  {paint(outcome.value.upper(), COLORS[outcome])}"]
    lines += [f"  {label:{_PAD}}  {printable(text)}" for label, text in fields if text]
    return "\n".join(lines)


def format_line(verdict: Verdict, paint: Paint = plain) -> str:
    """The verdict on one line."""
    state = paint(verdict.outcome.value.upper().ljust(8), COLORS[verdict.outcome])
    mark = " (one witness)" if verdict.one_witness else ""
    return f"{state}  {printable(f'{verdict.clause}: {verdict.observation}{mark}')}"


def format_summary(
    verdicts: Iterable[Verdict], paint: Paint = plain, *, limits: bool = True
) -> Iterator[str]:
    """A line per builder class with its counts, then the reasons for what is unproven or waived.

    ``limits`` False leaves out the reasons of what this host, or a checkout, can never show.
    """
    lines = summarize(verdicts)
    width = max((len(line.name) for line in lines), default=0)
    for line in lines:
        yield from summary_lines(line, width, paint, limits=limits)


def summary_lines(
    line: SummaryLine, width: int, paint: Paint = plain, *, limits: bool = True
) -> Iterator[str]:
    text = "   ".join([line.name.ljust(width), *line.numbers, line.image]).rstrip()
    yield paint(printable(text), COLORS[line.worst])
    for reason in line.reasons:
        if not (limits or reason.provable_here):
            continue
        yield f"    {reason.outcome.value:9} {printable(f'{reason.subject}: {reason.text}')}"


class Terminal:
    """Prints verdicts as they come. One cause is printed in full once, however many clauses it takes along."""

    def __init__(
        self, stream: TextIO, *, paint: Paint = plain, verbose: bool = False, limits: bool = True
    ) -> None:
        self._stream = stream
        self._limits = limits or verbose
        self._paint = paint
        self._verbose = verbose
        self._verdicts: list[Verdict] = []
        self._causes: set[str] = set()

    def begin(self, info: RunInfo) -> None:
        self._print(*(printable(line) for line in info.headlines), *([""] if info.headlines else []))

    def add(self, verdict: Verdict) -> None:
        self._verdicts.append(verdict)
        if self._prints_in_full(verdict):
            self._print(format_verdict(verdict, self._paint, folded=not self._verbose), "")
        elif self._verbose:
            self._print(format_line(verdict, self._paint))

    def _prints_in_full(self, verdict: Verdict) -> bool:
        if verdict.outcome is Outcome.UNPROVEN and verdict.provable_here:
            repeated = verdict.observation in self._causes
            self._causes.add(verdict.observation)
            return not repeated
        return verdict.outcome is Outcome.BROKEN

    def end(self, summary: RunSummary) -> None:
        if summary.skipped:
            limit = len(summary.skipped) if self._verbose else _MOST_SKIPPED
            self._print(f"skipped ({len(summary.skipped)}):")
            self._print(*(printable(f"  {item.path}: {item.reason}") for item in summary.skipped[:limit]))
            if len(summary.skipped) > limit:
                self._print(f"  … and {len(summary.skipped) - limit} more (--verbose)")
        self._print(*(printable(note) for note in summary.notes))
        self._print(*format_summary(self._verdicts, self._paint, limits=self._limits))
        self._stream.flush()

    def abandon(self) -> None:
        pass

    def _print(self, *lines: str) -> None:
        self._stream.write("".join(f"{line}\n" for line in lines))
        # Who reads a pipe, such as the log of a CI job, sees each verdict as it comes.
        self._stream.flush()


def render(record: RunRecord) -> str:
    """The output of a whole run, without color."""
    stream = io.StringIO()
    terminal = Terminal(stream)
    terminal.begin(record.info)
    for verdict in record.verdicts:
        terminal.add(verdict)
    terminal.end(record.summary)
    return stream.getvalue()
