"""Compares headings of the documentation with the audiences."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.prose import names_any
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule


@rule("identity/audiences", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("identity")
    headings = [heading for document in context.documents for heading in document.headings]
    if not headings:
        return
    for audience, words in facts.get("audiences", default={}).items():
        place = next((heading.at for heading in headings if names_any(heading.text, words)), None)
        if place is not None:
            yield Agrees(place)
        else:
            actual = Quote(
                context.entrance, f"no heading in {len(context.documents)} pages addresses the {audience}"
            )
            expected = declared(facts, "audiences", audience, says=f"the {audience} is one of the audiences")
            yield Contradicts(
                actual, expected, f"add a page for the {audience} and link it from the entry page"
            )
