"""Compares the port of an address, or its scheme's, with the endpoint's."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, RuleResult
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.endpoints.mentions import endpoint_of, mentions, service_of, zone_words
from builder_contracts.truth.rules.registry import rule


@rule("endpoints/ports", scope="any", words=zone_words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("endpoints")
    for mention in mentions(context):
        name = endpoint_of(facts, mention.host)
        port = mention.effective_port
        if name is None or port is None or service_of(context, mention.host) is not None:
            continue
        if port in facts.get("endpoints", name, "ports"):
            yield Agrees(mention.at)
        elif not mention.dismissed:
            allowed = ", ".join(map(str, facts.get("endpoints", name, "ports")))
            expected = declared(
                facts, "endpoints", name, "ports", says=f"{mention.host} listens on {allowed}"
            )
            yield Contradicts(mention.side, expected, f"use port {allowed}; {port} is not served")
