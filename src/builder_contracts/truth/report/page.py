"""The exit criteria as one page of Markdown: what a programme lead sends on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builder_contracts.evidence.verdict import Outcome
from builder_contracts.truth.criteria import Answer
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.verdicts import Judgement

_WORDS = {
    Outcome.KEPT: "met",
    Outcome.BROKEN: "not met",
    Outcome.UNPROVEN: "not shown",
    Outcome.WAIVED: "waived",
}
_SHOWN = 4


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
        for verdict in answer.missing:
            local = verdict.clause.partition("/")[2]
            findings = [one for one in judgement.findings if one.clause == verdict.clause]
            if not findings:
                yield f"- `{local}` ({_WORDS[verdict.outcome]}): {verdict.seen}"
                continue
            yield (
                f"- `{local}`: {verdict.promised}. {len(findings)} places contradict it:"
                if len(findings) > 1
                else (f"- `{local}`: {verdict.promised}. One place contradicts it:")
            )
            for finding in findings[:_SHOWN]:
                yield f"  - `{finding.here.at}` {finding.here.says} (but {finding.there.says}, `{finding.there.at}`): {finding.mend}"
            if len(findings) > _SHOWN:
                yield f"  - … and {len(findings) - _SHOWN} more"
        for clause in answer.unjudged:
            yield f"- `{clause.partition('/')[2]}`: not judged"
    yield ""
    yield (
        f"Whole report: {judgement.count(Outcome.KEPT)} clauses kept, {judgement.count(Outcome.BROKEN)} broken, "
        f"{judgement.count(Outcome.UNPROVEN)} unproven; {len(judgement.unread)} paths were not read."
    )
