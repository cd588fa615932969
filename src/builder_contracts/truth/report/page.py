"""The exit criteria as one page of Markdown: what a programme lead sends on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builder_contracts.evidence.verdict import Outcome, Verdict
from builder_contracts.truth.criteria import Answer
from builder_contracts.truth.finding import Finding
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.verdicts import Judgement

_WORDS = {
    Outcome.KEPT: "met",
    Outcome.BROKEN: "not met",
    Outcome.UNPROVEN: "not shown",
    Outcome.WAIVED: "waived",
}
_SHOWN = 2


def render(platform: Platform, answers: Sequence[Answer], judgement: Judgement) -> Iterator[str]:
    """The page: the state of each criterion, what is missing and where, and how it was judged."""
    met = sum(answer.met for answer in answers)
    started = next((verdict.started for verdict in judgement.platform if verdict.started), "")
    yield f"# {platform.milestone}: {met} of {len(answers)} exit criteria met"
    yield ""
    judged = (
        f"Judged {started} from the files of `{judgement.root}` ({judgement.files} files, nothing was run)."
    )
    yield f"{judged} A criterion is met when every clause behind it is kept; *not shown* means that the files do not decide it."
    yield ""
    yield "| | Criterion | State | Clauses kept |"
    yield "|---|---|---|---|"
    for number, answer in enumerate(answers, 1):
        total = len(answer.criterion.clauses)
        kept = sum(verdict.outcome is Outcome.KEPT for verdict in answer.verdicts)
        yield f"| {number} | {answer.criterion.text} | **{_WORDS[answer.outcome]}** | {kept} of {total} |"
    missing = [(number, answer) for number, answer in enumerate(answers, 1) if not answer.met]
    if missing:
        yield ""
        yield "## What is missing"
    for number, answer in missing:
        yield ""
        yield f"**{number}. {answer.criterion.text}**"
        yield ""
        yield from _missing(answer, judgement)
        for clause in answer.unjudged:
            yield f"- `{clause.partition('/')[2]}`: not judged"
    yield ""
    yield (
        f"Whole report: {judgement.count(Outcome.KEPT)} clauses kept, {judgement.count(Outcome.BROKEN)} broken, "
        f"{judgement.count(Outcome.UNPROVEN)} unproven; {len(judgement.unread)} paths were not read."
    )


def _missing(answer: Answer, judgement: Judgement) -> Iterator[str]:
    """A line for each clause that is not kept; those that nothing shows for one reason share a line."""
    shared: dict[str, list[str]] = {}
    for verdict in answer.missing:
        local = f"`{verdict.clause.partition('/')[2]}`"
        findings = [one for one in judgement.findings if one.clause == verdict.clause]
        if findings:
            yield from _contradictions(local, verdict, findings)
        else:
            shared.setdefault(f"{_WORDS[verdict.outcome]}: {verdict.seen}", []).append(local)
    for reason, clauses in shared.items():
        yield f"- {', '.join(clauses)} {reason}"


def _contradictions(local: str, verdict: Verdict, findings: Sequence[Finding]) -> Iterator[str]:
    lines = [
        f"{_code(str(one.here.at))} says {_code(one.here.says)}, but {_code(one.there.says)}: {one.mend}"
        for one in findings[:_SHOWN]
    ]
    if len(findings) == 1:
        yield f"- {local}: {lines[0]}"
        return
    yield f"- {local}: {verdict.promised}. Contradicted in {len(findings)} places:"
    yield from (f"  - {line}" for line in lines)
    if len(findings) > _SHOWN:
        yield f"  - … and {len(findings) - _SHOWN} more"


def _code(text: str) -> str:
    """Words of a checkout are quoted, so that they cannot become markup of the page."""
    return "`" + text.replace("`", "'") + "`"
