"""Compares sentences about a node with its role."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from builder_contracts.contract.model import Contract
from builder_contracts.truth.checkout_scan import SearchWords
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.prose import denies, names_any
from builder_contracts.truth.rule_context import RuleContext, declared, excerpt
from builder_contracts.truth.rules.registry import rule


def words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    del contracts
    return SearchWords(pages=tuple(platform.area("topology").get("nodes", default={})))


@rule("topology/node-roles", scope="own", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("topology")
    nodes = facts.get("nodes")
    for sentence in context.sentences:
        for part in re.split(r"[;,]|\band\b|\bwhile\b", sentence.text):
            named = [node for node in nodes if re.search(rf"\b{re.escape(node)}\b", part)]
            if len(named) != 1:
                continue
            wrong = names_any(part, nodes[named[0]].get("not_as", []))
            if wrong and not denies(part):
                expected = declared(
                    facts, "nodes", named[0], "role", says=f"{named[0]}: {nodes[named[0]]['role']}"
                )
                yield Contradicts(
                    Quote(sentence.at, excerpt(sentence.text)), expected, f"{named[0]} is not the {wrong}"
                )
            else:
                yield Agrees(sentence.at)
