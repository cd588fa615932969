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
    there = declared(facts, "milestone")
    found = next((one for one in tracker.milestones if same(one.title, title)), None)
    if found is None:
        shown = ", ".join(one.title for one in tracker.milestones) or "none"
        yield Contradicts(
            Side(facts.at("milestone"), f"milestones on GitHub: {shown}"), there, "create the milestone"
        )
    elif not found.open:
        yield Contradicts(
            Side(found.at, f"the milestone {found.title!r} is closed"),
            there,
            "reopen it, or declare its successor",
        )
    elif not any(same(issue.milestone, title) for issue in tracker.issues):
        yield Contradicts(
            Side(found.at, f"the milestone {found.title!r} has no issues"), there, "assign the issues to it"
        )
    else:
        yield Agrees(found.at)


def issues(context: Context) -> Iterator[Observation]:
    tracker, facts = context.tracker, context.facts("planning")
    if tracker is None or not tracker.github:
        return
    for index, title in enumerate(facts.get("issues")):
        there = declared(facts, "issues", index)
        found = next((one for one in tracker.issues if same(one.title, title)), None)
        if found is None:
            yield Contradicts(
                Side(facts.at("issues", index), "no issue with this title"), there, "file the issue"
            )
        elif not same(found.milestone, facts.get("milestone")):
            here = Side(found.at, f"the issue belongs to {found.milestone or 'no milestone'}")
            yield Contradicts(here, there, f"assign it to milestone {facts.get('milestone')!r}")
        else:
            yield Agrees(found.at)


def stale_milestones(context: Context) -> Iterator[Observation]:
    tracker, facts = context.tracker, context.facts("planning")
    pattern = facts.get("retired_milestones")
    if tracker is None or not tracker.github or pattern is None:
        return
    clean = True
    for one in tracker.milestones:
        if one.open and re.search(pattern, one.title):
            clean = False
            there = declared(facts, "retired_milestones", says=f"replaced: /{pattern}/")
            yield Contradicts(
                Side(one.at, f"the milestone {one.title!r} is open"),
                there,
                "close it and move the remaining issues",
            )
    if clean:
        yield Absent(f"none of {len(tracker.milestones)} milestones")


def linear(context: Context) -> Iterator[Observation]:
    tracker, facts = context.tracker, context.facts("planning")
    wanted = facts.get("linear")
    if tracker is None or tracker.linear is None or wanted is None:
        return
    names = [("initiative", wanted["initiative"]), ("project", wanted["project"])]
    names += [("milestone", name) for name in wanted["milestones"]]
    for kind, name in names:
        found = next((one for one in tracker.linear if same(one.title, name)), None)
        if found is not None:
            yield Agrees(found.at)
        else:
            there = declared(facts, "linear", says=f"{kind}: {name}")
            yield Contradicts(
                Side(facts.at("linear"), f"Linear has no {kind} {name!r}"), there, f"create the {kind}"
            )
