"""Compares commands, actions, containers and services of a job, those of its composite actions included, with what its
class promises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from builder_contracts.contract.model import Contract
from builder_contracts.errors import Location
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.model import CiJob, LabelChoice
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.rules.workflows.job_needs import (
    DAEMON,
    ROOT,
    StepNeed,
    classes_of,
    is_skipped,
    needs_of_job,
    needs_of_steps,
    promise_of,
    steps_of,
)
from builder_contracts.truth.rules.workflows.labels import elsewhere, included_elsewhere
from builder_contracts.truth.scale_set_image import ScaleSetImage, image_of
from builder_contracts.truth.value import Unknown, text


@rule("workflows/needs", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    yield from included_elsewhere(context)
    for job in context.model.jobs:
        judged: set[tuple[str, str]] = set()
        wrong: set[Location] = set()
        agrees = False
        cases: set[tuple[str, tuple[bool, ...]]] = set()
        for choice in job.choices:
            for contract in classes_of(context, choice):
                case = (contract.name, tuple(is_skipped(step, choice.matrix) for step in job.steps))
                if case in cases:
                    continue
                cases.add(case)
                needs = sorted(
                    (
                        need
                        for need in needs_of_job(context, job, choice)
                        if not _runs_pods(context, choice, need)
                    ),
                    # Of one need that several places have, the one that counts is the one that is sure.
                    key=lambda need: bool(need.unsure),
                )
                agrees = agrees or not needs
                for need in needs:
                    if (contract.name, need.what) not in judged:
                        judged.add((contract.name, need.what))
                        result = _compare(context, job, contract, need, needs)
                        # One command that needs several things is one line to change.
                        if not (isinstance(result, Contradicts) and need.at in wrong):
                            yield result
                        if isinstance(result, Contradicts):
                            wrong.add(need.at)
        if agrees and not judged:
            yield Agrees(job.at)
        if job.computed:
            reason = f"the class of job {job.name} is known only at run time"
            yield Undetermined(job.at, reason, decidable=False)
        if (called := job.called) is not None:
            yield elsewhere(context, job, called)
        else:
            yield from _of_another_ref(context, job)
    if context.ours:
        yield from _unused_actions(context)


def _of_another_ref(context: RuleContext, job: CiJob) -> Iterator[Undetermined]:
    """The actions that a job uses and that the given checkout has at another ref."""
    for step in steps_of(context, job.steps):
        if step.uses is not None and (given := context.model.other_refs.get(text(step.uses) or "")):
            reason = f"{text(step.uses)} is in another repository; the given checkout is of {given}"
            yield Undetermined(step.uses.at, reason, decidable=False)


def _runs_pods(context: RuleContext, choice: LabelChoice, need: StepNeed) -> bool:
    """Whether containers of the job are pods of their own: the scale set's containerMode is kubernetes."""
    names = {(text(label) or "").lower() for label in choice.labels}
    return need.because in ("container:", "services:") and any(
        names & scale_set.labels and (text(scale_set.container_mode) or "").startswith("kubernetes")
        for scale_set in context.model.scale_sets
    )


def _compare(
    context: RuleContext, job: CiJob, contract: Contract, need: StepNeed, needs: Sequence[StepNeed]
) -> RuleResult:
    promised, at = promise_of(contract, need.what)
    if promised:
        return Agrees(need.at)
    what = {DAEMON: "a Docker daemon", ROOT: "root"}.get(need.what, need.what)
    if need.unsure:
        reason = f"{contract.name} does not promise {what} ({need.because}), but {need.unsure}"
        return Undetermined(need.at, reason)
    others = _promising(context.classes, need)
    fitting = others
    for also in needs:
        # A class that has this and lacks what another one has would only move the finding.
        if not also.unsure and _promising(context.classes, also):
            fitting = _promising(fitting, also)
    actual = Quote(need.at, f"job {job.name} on {contract.name}: {need.because}")
    says = (
        f"{contract.name} promises no_new_privileges, so sudo fails"
        if need.what == ROOT
        else f"{contract.name} does not promise {what}"
    )
    if fitting:
        fix = f"run the job on {' or '.join(other.name for other in fitting)}"
    elif others:
        names = " or ".join(other.name for other in others)
        fix = f"split the job, with this part on {names}: no class promises all that it needs"
    elif need.what == ROOT:
        fix = "run it without sudo, or in a container of a different class"
    elif need.what == DAEMON:
        fix = "run it without a Docker daemon; no class has one"
    else:
        fix = f"install {what} in the job, or add it to a class"
    return Contradicts(actual, Quote(at, says), fix)


def _promising(classes: Iterable[Contract], need: StepNeed) -> list[Contract]:
    return [contract for contract in classes if promise_of(contract, need.what)[0]]


def _unused_actions(context: RuleContext) -> Iterator[RuleResult]:
    """The platform's own actions that no job here uses: some deployed image must hold what they need."""
    used = {step.at for job in context.model.jobs for step in steps_of(context, job.steps)}
    images: list[ScaleSetImage] = []
    for scale_set in context.model.scale_sets:
        image = image_of(context, scale_set)
        if isinstance(image, Unknown):
            # A runner of this one may hold it.
            return
        if not scale_set.is_left_out:
            images.append(image)
    for action in context.model.actions:
        if not action.steps or any(step.at in used for step in action.steps):
            continue
        steps = [step for step in action.steps if not is_skipped(step, {})]
        for need in needs_of_steps(context, steps, in_container=False):
            if images and all(image.lacks(need.what) for image in images):
                first = images[0]
                expected = Quote(first.at, f"{first.reference} lacks {need.what}, as do all deployed images")
                fix = f"install {need.what} before, or deploy an image that has it"
                yield Contradicts(Quote(need.at, f"action {action.path}: {need.because}"), expected, fix)
