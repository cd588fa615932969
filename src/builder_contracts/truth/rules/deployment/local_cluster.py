"""Compares the documentation with the rule that it states what is deployed where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builder_contracts.contract.model import Contract
from builder_contracts.truth.checkout_scan import SearchWords
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.prose import names_any
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule


def words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    del contracts
    facts = platform.area("deployment")
    return SearchWords(
        pages=(*facts.get("cluster", "words", default=[]), *facts.get("outside", "words", default=[]))
    )


@rule("deployment/local-cluster", scope="own", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("deployment")
    if not context.sentences:
        return
    for key, words, says in (
        ("cluster", ["deploy", "cluster", "run"], "deploys into"),
        ("outside", ["stay", "remain", "belong", "edge", "failover"], "what stays on"),
    ):
        place = facts.get(key)
        if place is None:
            continue
        location = next(
            (
                s.at
                for s in context.sentences
                if names_any(s.text, place["words"]) and names_any(s.text, words)
            ),
            None,
        )
        if location is not None:
            yield Agrees(location)
        else:
            actual = Quote(context.entrance, f"no document states {says} {place['name']}")
            yield Contradicts(
                actual, declared(facts, key, "name", says=f"{key}: {place['name']}"), "document it"
            )
