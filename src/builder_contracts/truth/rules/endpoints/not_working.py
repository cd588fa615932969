"""Compares sentences that offer an endpoint with the list of those that do not work."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Absent, Contradicts, Quote, RuleResult
from builder_contracts.truth.prose import denies, intends, names_any
from builder_contracts.truth.rule_context import RuleContext, declared, excerpt
from builder_contracts.truth.rules.registry import rule


@rule("endpoints/not-working", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("endpoints")
    if not context.sentences:
        return
    clean = True
    for name, data in facts.get("not_working", default={}).items():
        for sentence in context.sentences:
            about = all(names_any(sentence.text, [word]) for word in data["words"])
            if not about or names_any(sentence.text, data.get("unless", [])):
                continue
            if (
                denies(sentence.text)
                or intends(sentence.text)
                or names_any(sentence.text, ["problem", "issue", "fail"])
            ):
                continue
            clean = False
            expected = declared(facts, "not_working", name, says=f"does not work: {data['reason']}")
            yield Contradicts(
                Quote(sentence.at, excerpt(sentence.text)), expected, "state that it does not work yet"
            )
    if clean:
        yield Absent(f"none of {len(context.documents)} pages offers it")
