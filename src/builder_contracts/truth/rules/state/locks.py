"""Compares the backend block of each stack with the rule that its state has a lock."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule

_FIXES = {
    "s3": "set use_lockfile = true; without it, two applies write over each other, and OpenTofu does not warn",
    "http": "set lock_address; without it, two applies write over each other, and OpenTofu does not warn",
}


@rule("state/locks", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("state")
    for stack in context.model.stacks:
        if stack.lock == "unknown":
            reason = (
                f"the backend of {stack.path} is configured when the stack is initialized, its lock included"
            )
            yield Undetermined(stack.at, reason, decidable=False)
        elif stack.lock == "none":
            actual = Quote(stack.at, f"backend {stack.backend!r} of {stack.path} names no lock")
            says = "every state has a lock"
            yield Contradicts(actual, declared(facts, "backends", says=says), _FIXES[stack.backend or "s3"])
        elif stack.backend is not None:
            yield Agrees(stack.at)
