"""Compares the scheme of an address with the endpoint's."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, RuleResult
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.endpoints.mentions import endpoint_of, mentions, zone_words
from builder_contracts.truth.rules.registry import rule


@rule("endpoints/schemes", scope="any", words=zone_words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("endpoints")
    for mention in mentions(context):
        name = endpoint_of(facts, mention.host)
        if name is None or not mention.scheme:
            continue
        allowed = facts.get("endpoints", name, "schemes")
        if mention.scheme in allowed:
            yield Agrees(mention.at)
        elif not mention.dismissed:
            expected = declared(
                facts, "endpoints", name, "schemes", says=f"{mention.host} uses {', '.join(allowed)}"
            )
            yield Contradicts(mention.side, expected, f"use {allowed[0]}://{mention.host}")
