"""Compares the seed issues with the export: there, under the milestone."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.prose import same
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule


@rule("planning/issues", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    tracker, facts = context.tracker, context.facts("planning")
    if tracker is None or not tracker.github:
        return
    for index, title in enumerate(facts.get("issues")):
        expected = declared(facts, "issues", index)
        issue = next((issue for issue in tracker.issues if same(issue.title, title)), None)
        if issue is None:
            yield Contradicts(
                Quote(facts.at("issues", index), "no issue with this title"), expected, "file the issue"
            )
        elif not same(issue.milestone, facts.get("milestone")):
            actual = Quote(issue.at, f"the issue belongs to {issue.milestone or 'no milestone'}")
            yield Contradicts(actual, expected, f"assign it to milestone {facts.get('milestone')!r}")
        else:
            yield Agrees(issue.at)
