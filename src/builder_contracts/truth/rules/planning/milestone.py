"""Compares the milestone with the export: there, open, with issues."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.context import Context, declared
from builder_contracts.truth.finding import Agrees, Contradicts, Observation, Side
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.speech import same


@rule("planning/milestone", scope="any")
def check(context: Context) -> Iterator[Observation]:
    tracker, facts = context.tracker, context.facts("planning")
    if tracker is None or not tracker.github:
        return
    title = facts.get("milestone")
    expected = declared(facts, "milestone")
    current = next((milestone for milestone in tracker.milestones if same(milestone.title, title)), None)
    if current is None:
        shown = ", ".join(milestone.title for milestone in tracker.milestones) or "none"
        yield Contradicts(
            Side(facts.at("milestone"), f"milestones on GitHub: {shown}"), expected, "create the milestone"
        )
    elif not current.open:
        yield Contradicts(
            Side(current.at, f"the milestone {current.title!r} is closed"),
            expected,
            "reopen it, or declare its successor",
        )
    elif not any(same(issue.milestone, title) for issue in tracker.issues):
        yield Contradicts(
            Side(current.at, f"the milestone {current.title!r} has no issues"),
            expected,
            "assign the issues to it",
        )
    else:
        yield Agrees(current.at)
