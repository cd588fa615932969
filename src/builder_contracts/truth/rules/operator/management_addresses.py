"""Compares addresses of management services with the tailnets."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, RuleResult
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.endpoints.mentions import is_management, mentions, zone_words
from builder_contracts.truth.rules.operator.tailnets import in_tailnet
from builder_contracts.truth.rules.registry import rule


@rule("operator/management-addresses", scope="own", words=zone_words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("operator")
    tailnets = facts.get("tailnets")
    for mention in mentions(context):
        if not is_management(context, mention.host) or ".svc" in mention.host:
            continue
        if in_tailnet(mention.host, tailnets):
            yield Agrees(mention.at)
        elif not mention.dismissed:
            expected = declared(facts, "tailnets", says=f"operator addresses are under {', '.join(tailnets)}")
            yield Contradicts(mention.side, expected, "use the tailnet address")
