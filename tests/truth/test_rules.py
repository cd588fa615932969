"""The registry of rules: one file a rule, at the path that its id names, and what a search must find for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builder_contracts.contract.model import Contract
from builder_contracts.truth.finding import RuleResult
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import RULES, Rule, build_search_words, rule


@pytest.mark.parametrize("registered", RULES.values(), ids=RULES)
def test_rule_is_the_only_one_of_the_file_of_its_name(registered: Rule) -> None:
    module = registered.check.__module__
    assert module.endswith(f".rules.{registered.id.replace('/', '.').replace('-', '_')}")
    assert [other.id for other in RULES.values() if other.check.__module__ == module] == [registered.id]
    assert registered.compares.endswith("."), "its file begins with a sentence that says what it compares"


@pytest.mark.parametrize("clause", ["endpoints/known-hosts", "elsewhere/x", "endpoints/new"])
def test_wrong_registration_is_an_error(clause: str) -> None:
    """An id twice, an area that does not exist, and a file whose docstring does not say what is compared."""

    def check(context: RuleContext) -> Iterator[RuleResult]:
        raise NotImplementedError(context)

    with pytest.raises(ValueError, match=clause):
        rule(clause, scope="any")(check)
    assert RULES.keys() & {"elsewhere/x", "endpoints/new"} == set()


def test_search_words_come_from_the_rules(contracts: tuple[Platform, list[Contract]]) -> None:
    platform, classes = contracts
    words = build_search_words(platform, classes)
    zones = platform.area("endpoints").get("zones")
    labels = [label for contract in classes for label in contract.labels]
    assert {*zones, *platform.area("identity").get("retired")} <= {*words.lines}
    assert {*labels, "tailnet", *platform.area("topology").get("nodes")} <= {*words.pages}
    assert words.keep == {platform.area("deployment").get("images", "mirrored_in"), "flake.nix"}


def test_platform_that_declares_nothing_needs_no_lines() -> None:
    empty = Platform({}, (), "", (), (), "", Path())
    assert build_search_words(empty, ()).lines == ()
