"""Compares initiative, project and milestones with Linear's export."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.prose import same
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule


@rule("planning/linear", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    tracker, facts = context.tracker, context.facts("planning")
    plan = facts.get("linear")
    if tracker is None or tracker.linear is None or plan is None:
        return
    names = [("initiative", plan["initiative"]), ("project", plan["project"])]
    names += [("milestone", name) for name in plan["milestones"]]
    for kind, name in names:
        entry = next((entry for entry in tracker.linear if same(entry.title, name)), None)
        if entry is not None:
            yield Agrees(entry.at)
        else:
            expected = declared(facts, "linear", says=f"{kind}: {name}")
            yield Contradicts(
                Quote(facts.at("linear"), f"Linear has no {kind} {name!r}"), expected, f"create the {kind}"
            )
