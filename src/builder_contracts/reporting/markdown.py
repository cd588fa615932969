"""A run as Markdown: for a job summary, a comment or a mail."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder_contracts.reporting.tally import SummaryLine, count, summarize
from builder_contracts.reporting.whole_file import RunRecord
from builder_contracts.verdict import Outcome, Verdict

# GitHub takes a megabyte of summary, and nothing of a longer one.
_MOST_BROKEN = 30
_MOST_PLACES = 10
_MOST_LINES = 100


def code_span(text: str, most: int = 300) -> str:
    """The text as one inline code span: no mention, link, tag or command in it takes effect."""
    line = " ".join(text.split())
    if len(line) > most:
        line = line[: most - 1] + "…"
    # A control character can hide the rest of a line on a terminal or in a diff.
    line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
    if not line:
        return "(nothing)"
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    space = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{space}{line}{space}{fence}"


def table_cell(text: str) -> str:
    """A code span for a table, in which a bar would end the cell even inside code."""
    return code_span(text).replace("|", "\\|")


def render(record: RunRecord) -> str:
    """Counts per builder class, what is broken, and why the rest is unproven."""
    return "\n".join(lines(record)) + "\n"


def lines(record: RunRecord) -> Iterator[str]:
    verdicts, counts = record.verdicts, count(record.verdicts)
    totals = [
        f"{counts[outcome]} {outcome.value}" for outcome in (Outcome.KEPT, Outcome.BROKEN, Outcome.UNPROVEN)
    ]
    if counts[Outcome.WAIVED]:
        totals.append(f"{counts[Outcome.WAIVED]} waived")
    yield f"### builder-contracts {record.info.command}: {', '.join(totals)}"
    if record.summary.interrupted:
        yield ""
        yield "The run was interrupted; clauses that it did not reach are missing here."
    groups = summarize(verdicts)
    if groups:
        yield ""
        yield "| | Kept | Set by this run | Broken | Unproven | Waived |"
        yield "|---|--:|--:|--:|--:|--:|"
        yield from (_row(line) for line in groups)
    broken = [verdict for verdict in verdicts if verdict.outcome is Outcome.BROKEN]
    for verdict in broken[:_MOST_BROKEN]:
        yield ""
        yield from _broken(verdict)
    if len(broken) > _MOST_BROKEN:
        yield ""
        yield f"And {len(broken) - _MOST_BROKEN} more broken clauses."
    reasons = [(line, reason) for line in groups for reason in line.reasons]
    if reasons:
        yield ""
        yield "#### Unproven and waived"
        yield ""
        for line, reason in reasons[:_MOST_LINES]:
            subject = code_span(f"{line.name}: {reason.subject}")
            yield f"- {reason.outcome.value} {subject}: {code_span(reason.text)}"
        if len(reasons) > _MOST_LINES:
            yield f"- and {len(reasons) - _MOST_LINES} more"
    if record.summary.skipped:
        yield ""
        yield "#### Skipped"
        yield ""
        skipped = record.summary.skipped
        yield from (f"- {code_span(item.path)}: {code_span(item.reason)}" for item in skipped[:_MOST_LINES])
        if len(skipped) > _MOST_LINES:
            yield f"- and {len(skipped) - _MOST_LINES} more"


def _row(line: SummaryLine) -> str:
    others = (line.counts[outcome] for outcome in (Outcome.BROKEN, Outcome.UNPROVEN, Outcome.WAIVED))
    numbers = (line.counts[Outcome.KEPT], line.set_by_run, *others)
    return f"| {table_cell(line.name)} | {' | '.join(map(str, numbers))} |"


def _broken(verdict: Verdict) -> Iterator[str]:
    yield f"#### {code_span(verdict.clause)} is broken"
    yield ""
    yield f"- promised: {code_span(verdict.promise)} ({code_span(str(verdict.location))})"
    if verdict.contradictions:
        for item in verdict.contradictions[:_MOST_PLACES]:
            yield f"- observed: {code_span(item.text)} ({code_span(str(item.location))})"
            yield f"  - conflicts with: {code_span(item.other_text)} ({code_span(str(item.other))})"
            yield f"  - fix: {code_span(item.fix)}"
        if len(verdict.contradictions) > _MOST_PLACES:
            yield f"- and {len(verdict.contradictions) - _MOST_PLACES} more places"
    else:
        yield f"- observed: {code_span(verdict.observation)}"
    yield from (f"- witness: {code_span(witness)}" for witness in verdict.witnesses)
    fields = [("likely cause", verdict.cause), ("why it matters", verdict.why)]
    if not verdict.contradictions:
        fields += [("fix", verdict.fix), ("try", verdict.inspect)]
    yield from (f"- {label}: {code_span(text)}" for label, text in fields if text)
