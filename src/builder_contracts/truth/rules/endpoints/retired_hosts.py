"""Compares every host under a zone, wherever it occurs, with the retired hosts."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Absent, Contradicts, RuleResult
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.endpoints.mentions import mentions, zone_words
from builder_contracts.truth.rules.registry import rule


@rule("endpoints/retired-hosts", scope="any", words=zone_words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("endpoints")
    retired = facts.get("retired", default={})
    clean = True
    for mention in mentions(context):
        if mention.host in retired and not mention.dismissed:
            clean = False
            successor = facts.get("endpoints", retired[mention.host])
            right = f"{successor['schemes'][0]}://{successor['host']}" if successor else "its successor"
            expected = declared(facts, "retired", mention.host, says=f"retired, replaced by {right}")
            yield Contradicts(mention.side, expected, f"use {right}")
    if clean:
        yield Absent(f"none of {len(retired)} retired hosts in {context.searched}")
