"""Compares the backend block of each stack with the declared backend."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule


@rule("state/backends", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("state")
    by_name = facts.get("backends")
    meaning = facts.get("backend_names", default={})
    for stack in context.model.stacks:
        if stack.backend is None:
            continue
        name = stack.path.rpartition("/")[2]
        key = name if name in by_name else "default"
        if stack.backend == by_name[key]:
            yield Agrees(stack.at)
            continue
        actual = Quote(
            stack.at, f"backend {stack.backend!r} ({meaning.get(stack.backend, 'not a declared backend')})"
        )
        says = f"the state of {name} is in {by_name[key]!r} ({meaning.get(by_name[key], by_name[key])})"
        fix = "check where the state is, then fix the backend block or declare the new location"
        yield Contradicts(actual, declared(facts, "backends", key, says=says), fix)
