"""Compares `uses: ./…` with the files of the checkout."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from builder_contracts.contract.schemas import nearest
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.model import CiJob, CiStep
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import text


@rule("workflows/local-actions", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    model = context.model
    elsewhere: dict[tuple[str, int], str] = {}
    places: list[tuple[CiStep, CiJob | None]] = [(step, job) for job in model.jobs for step in job.steps]
    places += [(step, None) for action in model.actions if not action.elsewhere for step in action.steps]
    for owner in model.jobs:
        for step in owner.steps:
            checked_out = (text(step.uses) or "").startswith("actions/checkout@") or step.run is not None
            if checked_out and (
                {"repository", "path"} & step.arguments.keys() or "git clone" in (text(step.run) or "")
            ):
                elsewhere[(owner.at.file, owner.at.line)] = step.name
    for step, job in places:
        uses = text(step.uses)
        if step.uses is None or uses is None or not uses.startswith("./") or "${{" in uses:
            continue
        path = posixpath.normpath(uses)
        if any(model.exists(candidate) for candidate in (path, f"{path}/action.yml", f"{path}/action.yaml")):
            yield Agrees(step.uses.at)
        elif job is not None and (job.at.file, job.at.line) in elsewhere:
            yield Undetermined(
                step.uses.at,
                f"{uses} may come from the checkout in step {elsewhere[(job.at.file, job.at.line)]!r}",
                decidable=False,
            )
        elif path.startswith("../"):
            yield Undetermined(step.uses.at, f"{uses} is outside the checkout")
        else:
            actions = {action.path: action.at for action in model.actions}
            guess = next(
                (
                    action_path
                    for action_path in actions
                    if action_path.rpartition("/")[2] == path.rpartition("/")[2]
                ),
                None,
            )
            guess = guess or nearest(path, sorted(actions))
            expected = (
                Quote(actions[guess], f"the action is at ./{guess}")
                if guess
                else Quote(step.uses.at, f"{path} does not exist")
            )
            fix = f"use ./{guess}" if guess else "add the action, or fix the path"
            yield Contradicts(Quote(step.uses.at, f"uses: {uses}"), expected, fix)
