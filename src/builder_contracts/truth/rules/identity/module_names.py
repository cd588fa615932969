"""Compares Bazel module and package names with the name of the repository."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.prose import same
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule


@rule("identity/module-names", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("identity")
    repository = facts.get("repository").rpartition("/")[2]
    for surface in context.model.surfaces:
        if not surface.exact:
            continue
        if same(surface.text, repository):
            yield Agrees(surface.at)
        else:
            actual = Quote(surface.at, f"{surface.kind} is {surface.text!r}")
            yield Contradicts(
                actual, declared(facts, "repository"), f"name it after the repository, {repository}"
            )
