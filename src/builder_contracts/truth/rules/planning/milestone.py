"""Compares the milestone with the export: there, open, with issues."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.prose import same
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule


@rule("planning/milestone", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    tracker, facts = context.tracker, context.facts("planning")
    if tracker is None or not tracker.github:
        return
    title = facts.get("milestone")
    expected = declared(facts, "milestone")
    current = next((milestone for milestone in tracker.milestones if same(milestone.title, title)), None)
    if current is None:
        shown = ", ".join(milestone.title for milestone in tracker.milestones) or "none"
        yield Contradicts(
            Quote(facts.at("milestone"), f"milestones on GitHub: {shown}"), expected, "create the milestone"
        )
    elif not current.open:
        yield Contradicts(
            Quote(current.at, f"the milestone {current.title!r} is closed"),
            expected,
            "reopen it, or declare its successor",
        )
    elif not any(same(issue.milestone, title) for issue in tracker.issues):
        yield Contradicts(
            Quote(current.at, f"the milestone {current.title!r} has no issues"),
            expected,
            "assign the issues to it",
        )
    else:
        yield Agrees(current.at)
