"""Compares open milestones with the plan that was replaced."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder_contracts.truth.finding import Absent, Contradicts, Quote, RuleResult
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule


@rule("planning/stale-milestones", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    tracker, facts = context.tracker, context.facts("planning")
    pattern = facts.get("retired_milestones")
    if tracker is None or not tracker.github or pattern is None:
        return
    clean = True
    for milestone in tracker.milestones:
        if milestone.open and re.search(pattern, milestone.title):
            clean = False
            expected = declared(facts, "retired_milestones", says=f"replaced: /{pattern}/")
            yield Contradicts(
                Quote(milestone.at, f"the milestone {milestone.title!r} is open"),
                expected,
                "close it and move the remaining issues",
            )
    if clean:
        yield Absent(f"none of {len(tracker.milestones)} milestones")
