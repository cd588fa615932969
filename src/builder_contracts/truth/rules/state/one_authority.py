"""Compares each stack with the rule that it names a backend."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule


@rule("state/one-authority", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("state")
    for stack in context.model.stacks:
        if stack.backend is not None:
            yield Agrees(stack.at)
        elif not stack.applied:
            reason = f"{stack.path} has no backend and configures no provider: it may be a library that nobody calls"
            yield Undetermined(stack.at, reason, decidable=False)
        else:
            actual = Quote(stack.at, f"stack {stack.path} declares no backend")
            fix = "add a backend block; without it, the state is a local file"
            yield Contradicts(
                actual, declared(facts, "backends", says="every stack has a declared backend"), fix
            )
