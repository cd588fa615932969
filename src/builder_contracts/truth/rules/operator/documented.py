"""Compares the documentation with the rule that it presents the tailnet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builder_contracts.contract.model import Contract
from builder_contracts.truth.checkout_scan import SearchWords
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.prose import names_any
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule

_OPERATION = ["operator", "manage", "admin", "dashboard", "access", "kubectl", "ssh"]


def words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    del platform, contracts
    return SearchWords(pages=("tailnet", "tailscale"))


@rule("operator/documented", scope="own", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("operator")
    if not context.sentences:
        return
    location = next(
        (
            s.at
            for s in context.sentences
            if names_any(s.text, ["tailnet", "tailscale"]) and names_any(s.text, _OPERATION)
        ),
        None,
    )
    if location is not None:
        yield Agrees(location)
    else:
        actual = Quote(context.entrance, "no document describes the tailnet as the operators' access path")
        expected = declared(facts, "tailnets", says=f"tailnet: {', '.join(facts.get('tailnets'))}")
        yield Contradicts(actual, expected, "document how operators reach the dashboard and the clusters")
