"""Compares jobs without a container with scale sets whose container mode refuses them."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.known_software import known_software
from builder_contracts.truth.model import CiJob, ScaleSet, environment
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import text


@rule("workflows/job-containers", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    for job in context.model.jobs:
        if job.forge == "github":
            for scale_set in _serving(context, job):
                yield _compare(job, scale_set)


def _serving(context: RuleContext, job: CiJob) -> Iterator[ScaleSet]:
    """The scale sets with a container mode that can get the job."""
    asked = [{(text(label) or "").lower() for label in choice.labels} for choice in job.choices]
    for scale_set in context.model.scale_sets:
        refuses = text(scale_set.container_mode) in known_software().scale_set.refuse_jobs
        if refuses and not scale_set.is_left_out and any(names <= scale_set.labels for names in asked):
            yield scale_set


def _compare(job: CiJob, scale_set: ScaleSet) -> RuleResult:
    chart, mode = known_software().scale_set, scale_set.container_mode
    at = mode.at if mode is not None else scale_set.at
    required = environment(scale_set.runner).get(chart.variable)
    if job.container is not None:
        return Agrees(job.container.at)
    if required is not None and text(required) is None:
        return Undetermined(required.at, f"{chart.variable} of scale set {scale_set.name} is not known")
    if required is not None and (text(required) or "").lower() == "false":
        return Agrees(job.at)
    refuses = f"scale set {scale_set.name} is in mode {text(mode)}, which sets {chart.variable}=true"
    return Contradicts(
        Quote(job.at, f"job {job.name} has no container"),
        Quote(at, f"{refuses} ({chart.reference})"),
        f"give the job a container, or set {chart.variable}=false in the template",
    )
