"""The exit criteria as one page for a programme lead, in text or Markdown."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from builder_contracts.truth.exit_criteria import CriterionStatus
from builder_contracts.truth.finding import Finding
from builder_contracts.truth.platform import Assumption, Platform
from builder_contracts.truth.verdicts import TruthReport
from builder_contracts.verdict import Outcome, Verdict

SCHEMA = "builder-contracts/exit-criteria/v1"
_WORDS = {
    Outcome.KEPT: "met",
    Outcome.BROKEN: "not met",
    Outcome.UNPROVEN: "unproven",
    Outcome.WAIVED: "waived",
}
_ASSUMING = "met (assumed)"
_WIDTH = 96


@dataclass(frozen=True)
class Row:
    """A criterion: its state in words, how many of its clauses are kept, and what is missing, a line a clause."""

    number: int
    text: str
    state: str
    kept: int
    clauses: int
    missing: tuple[str, ...]
    assumed: tuple[Assumption, ...]


@dataclass(frozen=True)
class Page:
    """Everything that the page says, before it has a form."""

    title: str
    judged: str
    rows: tuple[Row, ...]
    whole: str


def build_criteria_page(
    platform: Platform,
    answers: Sequence[CriterionStatus],
    judgement: TruthReport,
    *,
    subject: str,
    code: str = "",
) -> Page:
    """``subject`` names what was judged; words of the checkout are put between ``code`` marks."""
    rows = tuple(_row(number, answer, judgement, code) for number, answer in enumerate(answers, 1))
    met = sum(answer.met for answer in answers)
    assuming = sum(row.state == _ASSUMING for row in rows)
    started = next((verdict.origin.started for verdict in judgement.platform if verdict.origin.started), "")
    title = f"{platform.milestone}: {met} of {len(answers)} exit criteria met"
    if assuming:
        title += f", {assuming} of them with assumptions"
    judged = (
        f"Checked on {started[:10]} from {judgement.files} files of {subject}; nothing was executed. A criterion is met if "
        "all its clauses are kept, and unproven if the files do not settle it."
    )
    if assuming:
        judged += " A criterion met with assumptions holds only if the assumptions listed below do."
    whole = (
        f"All platform and class clauses: {judgement.count(Outcome.KEPT)} kept, "
        f"{judgement.count(Outcome.BROKEN)} broken, {judgement.count(Outcome.UNPROVEN)} unproven"
        + (f"; {len(judgement.unread)} paths could not be read." if judgement.unread else ".")
    )
    return Page(title, judged, rows, whole)


def _row(number: int, answer: CriterionStatus, judgement: TruthReport, code: str) -> Row:
    rests_on = {verdict.clause for verdict in answer.verdicts}
    assumed = tuple(
        item
        for item in judgement.assumptions
        if any(f"platform/{item.area}/{name}" in rests_on for name in item.clauses)
    )
    state = _ASSUMING if answer.met and assumed else _WORDS[answer.outcome]
    kept = sum(verdict.outcome is Outcome.KEPT for verdict in answer.verdicts)
    missing = (
        *_missing(answer, judgement, code),
        *(f"not checked [{_local(clause)}]" for clause in answer.unjudged),
    )
    return Row(number, answer.criterion.text, state, kept, len(answer.criterion.clauses), missing, assumed)


def _local(clause: str) -> str:
    return clause.partition("/")[2]


def _missing(answer: CriterionStatus, judgement: TruthReport, code: str) -> Iterator[str]:
    """A line for each clause that is not kept; those that nothing shows for one reason share a line."""
    shared: dict[str, list[str]] = {}
    for verdict in answer.missing:
        findings = judgement.findings_of(verdict)
        if findings:
            yield _contradiction(verdict, findings, code)
        else:
            reason = (
                verdict.cause if verdict.outcome is Outcome.WAIVED and verdict.cause else verdict.observation
            )
            shared.setdefault(reason, []).append(_local(verdict.clause))
    for reason, clauses in shared.items():
        yield f"{reason} [{', '.join(clauses)}]"


def _contradiction(verdict: Verdict, findings: Sequence[Finding], code: str) -> str:
    first = findings[0]
    more = f" and {len(findings) - 1} more" if len(findings) > 1 else ""
    # Words of a checkout are quoted, so that they cannot become markup of the page.
    place = f"{code}{str(first.actual.at).replace('`', chr(39))}{code}"
    return f"{verdict.promise}. Contradicted at {place}{more}: {first.fix} [{_local(verdict.clause)}]"


def to_markdown(page: Page) -> Iterator[str]:
    """The page for a code host or a mail."""
    yield f"# {page.title}"
    yield ""
    yield page.judged
    yield ""
    yield "| | Criterion | State | Clauses kept |"
    yield "|---|---|---|---|"
    for row in page.rows:
        yield f"| {row.number} | {row.text} | **{row.state}** | {row.kept} of {row.clauses} |"
    for heading, rows in _sections(page):
        yield ""
        yield f"## {heading}"
        for row, lines in rows:
            yield ""
            yield f"**{row.number}. {row.text}**"
            yield ""
            yield from (f"- {line}" for line in lines)
    yield ""
    yield page.whole


def to_json(page: Page) -> str:
    """The page for a program: what its rows say, each with what is missing and what is assumed."""
    criteria = [
        {
            "number": row.number,
            "criterion": row.text,
            "state": row.state,
            "kept": row.kept,
            "clauses": row.clauses,
            "missing": list(row.missing),
            "assumed": [{"fact": f"{item.area}/{item.fact}", "reason": item.reason, "at": str(item.source)}
                        for item in row.assumed],
        }
        for row in page.rows
    ]  # fmt: skip
    data = {
        "schema": SCHEMA,
        "title": page.title,
        "judged": page.judged,
        "criteria": criteria,
        "whole": page.whole,
    }
    return json.dumps(data, indent=1, ensure_ascii=False)


def to_text(page: Page) -> Iterator[str]:
    """The page for a terminal."""
    yield page.title
    yield ""
    yield from textwrap.wrap(page.judged, _WIDTH, break_on_hyphens=False)
    yield ""
    for row in page.rows:
        wrapped = textwrap.wrap(row.text, _WIDTH - 28)
        yield f"{row.number:2}  {row.state:13}  {wrapped[0].ljust(_WIDTH - 28)}  {row.kept} of {row.clauses}"
        yield from (" " * 19 + line for line in wrapped[1:])
    for heading, rows in _sections(page):
        yield ""
        yield heading
        for row, lines in rows:
            yield f"{row.number:2}  {row.text}"
            for line in lines:
                yield from textwrap.wrap(
                    line, _WIDTH, initial_indent="    - ", subsequent_indent="      ", break_on_hyphens=False,
                    break_long_words=False,
                )  # fmt: skip
    yield ""
    yield page.whole


def _sections(page: Page) -> Iterator[tuple[str, list[tuple[Row, list[str]]]]]:
    """The parts below the table that have something to say."""
    missing = [(row, list(row.missing)) for row in page.rows if row.missing]
    if missing:
        yield "Missing", missing
    assumed = [
        (row, [f"{item.area}/{item.fact}: {item.reason} ({item.source})" for item in row.assumed])
        for row in page.rows
        if row.assumed
    ]
    if assumed:
        yield "To confirm with the operator", assumed
