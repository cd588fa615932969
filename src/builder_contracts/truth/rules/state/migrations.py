"""Compares sentences about a migration with its status."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Absent, Contradicts, Quote, RuleResult
from builder_contracts.truth.prose import denies, intends, names_any
from builder_contracts.truth.rule_context import RuleContext, declared, excerpt
from builder_contracts.truth.rules.registry import rule


@rule("state/migrations", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("state")
    if not context.sentences:
        return
    clean = True
    for name, data in facts.get("intended", default={}).items():
        for sentence in context.sentences:
            to, what = names_any(sentence.text, data["words"]), names_any(sentence.text, data["about"])
            if not to or not what or denies(sentence.text) or intends(sentence.text):
                continue
            clean = False
            expected = declared(facts, "intended", name, says="intended, not verified")
            yield Contradicts(
                Quote(sentence.at, excerpt(sentence.text)),
                expected,
                "state that it is planned, and where the state is today",
            )
    if clean:
        yield Absent(f"none of {len(context.documents)} pages presents a planned migration as done")
