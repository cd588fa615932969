"""Compares every line with the removed technologies, unless it states that they are gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builder_contracts.contract.model import Contract
from builder_contracts.truth.checkout_scan import SearchWords
from builder_contracts.truth.finding import Absent, Contradicts, RuleResult
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.prose import denies, names_any
from builder_contracts.truth.rule_context import RuleContext, declared, quoted
from builder_contracts.truth.rules.registry import rule


def words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    del contracts
    removed = platform.area("topology").get("removed", default={})
    return SearchWords(lines=tuple(word for data in removed.values() for word in data["words"]))


@rule("topology/removed-technology", scope="own", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("topology")
    clean = True
    for name, data in facts.get("removed", default={}).items():
        for line in context.lines:
            if not names_any(line.text, data["words"]) or denies(line.text):
                continue
            clean = False
            expected = declared(facts, "removed", name, says=f"{name} was removed from the operating model")
            fix = (
                "state that it was removed"
                if line.prose
                else "remove the dependency; the design is local-first"
            )
            yield Contradicts(quoted(line), expected, fix)
    if clean:
        yield Absent(f"nothing in {context.searched} depends on a removed component")
