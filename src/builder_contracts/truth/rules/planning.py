"""Milestones and issues of the programme against the trackers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder_contracts.truth.context import Context, declared
from builder_contracts.truth.finding import Absent, Agrees, Contradicts, Observation, Side
from builder_contracts.truth.speech import same


def milestone(context: Context) -> Iterator[Observation]:
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


def issues(context: Context) -> Iterator[Observation]:
    tracker, facts = context.tracker, context.facts("planning")
    if tracker is None or not tracker.github:
        return
    for index, title in enumerate(facts.get("issues")):
        expected = declared(facts, "issues", index)
        issue = next((issue for issue in tracker.issues if same(issue.title, title)), None)
        if issue is None:
            yield Contradicts(
                Side(facts.at("issues", index), "no issue with this title"), expected, "file the issue"
            )
        elif not same(issue.milestone, facts.get("milestone")):
            actual = Side(issue.at, f"the issue belongs to {issue.milestone or 'no milestone'}")
            yield Contradicts(actual, expected, f"assign it to milestone {facts.get('milestone')!r}")
        else:
            yield Agrees(issue.at)


def stale_milestones(context: Context) -> Iterator[Observation]:
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
                Side(milestone.at, f"the milestone {milestone.title!r} is open"),
                expected,
                "close it and move the remaining issues",
            )
    if clean:
        yield Absent(f"none of {len(tracker.milestones)} milestones")


def linear(context: Context) -> Iterator[Observation]:
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
                Side(facts.at("linear"), f"Linear has no {kind} {name!r}"), expected, f"create the {kind}"
            )
