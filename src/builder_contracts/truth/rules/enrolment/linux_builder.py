"""Compares the canary's class with the contracts, and the documentation with the canary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builder_contracts.contract.model import Contract
from builder_contracts.truth.checkout_scan import SearchWords
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule


def words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    del contracts
    name = platform.area("enrolment").get("canary", "name")
    return SearchWords(lines=(name,) if name else ())


@rule("enrolment/linux-builder", scope="own", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("enrolment")
    canary = facts.get("canary")
    if canary is None:
        return
    expected = declared(facts, "canary", says=f"{canary['name']} builds on {canary['builder']}")
    contract = next((contract for contract in context.classes if contract.name == canary["builder"]), None)
    if contract is not None:
        yield Agrees(contract.source)
    elif context.classes:
        actual = Quote(
            context.classes[0].source, f"classes: {', '.join(contract.name for contract in context.classes)}"
        )
        yield Contradicts(actual, expected, "write a contract for the class")
    else:
        yield Undetermined(expected.at, "no builder class contracts were given")
    location = next((line.at for line in context.lines if canary["name"] in line.text and line.prose), None)
    if location is not None:
        yield Agrees(location)
    elif context.documents:
        actual = Quote(context.entrance, f"the documentation does not mention {canary['name']}")
        yield Contradicts(
            actual, expected, f"state which class heavy Linux builds such as {canary['name']} use"
        )
