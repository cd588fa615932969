"""Compares stages and needs of GitLab jobs, also the stages of GitLab's own templates, with the stages and jobs of their
pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.contract.schemas import nearest
from builder_contracts.errors import Location
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.known_software import known_software
from builder_contracts.truth.model import Pipeline
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import get, items, text

# https://docs.gitlab.com/ci/yaml/#stages
_DEFAULT = ("build", "test", "deploy")
_ALWAYS = frozenset({".pre", ".post"})


@rule("workflows/pipeline-jobs", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    for pipeline in context.model.pipelines:
        yield from _check_stages(pipeline)
        yield from _check_needs(pipeline)


def _check_stages(pipeline: Pipeline) -> Iterator[RuleResult]:
    stages = {text(stage) or "" for stage in items(pipeline.stages)} or {*_DEFAULT}
    at = pipeline.stages.at if pipeline.stages is not None else pipeline.at
    asked: list[tuple[str, str, Location]] = [
        (f"job {job.name}", text(job.stage) or "", job.stage.at)
        for job in pipeline.jobs
        if job.stage is not None
    ]
    for entry in pipeline.elsewhere:
        template = text(get(entry, "template")) or ""
        if (stage_of := known_software().gitlab_stages.get(template)) is not None:
            asked.append((f"template {template}", stage_of, entry.at))
    for who, stage, where in asked:
        if stage in stages | _ALWAYS:
            yield Agrees(where)
        elif "$" in stage or (pipeline.stages is None and pipeline.elsewhere):
            yield Undetermined(
                where, f"{who} is in stage {stage}, which a file elsewhere may declare", decidable=False
            )
        else:
            guess = nearest(stage, sorted(stages))
            fix = f"did you mean {guess}?" if guess else f"add {stage} to stages"
            expected = Quote(
                at, f"the stages are {', '.join(sorted(stages))}: GitLab rejects the whole pipeline"
            )
            yield Contradicts(Quote(where, f"{who} is in stage {stage}"), expected, fix)


def _check_needs(pipeline: Pipeline) -> Iterator[RuleResult]:
    names = {job.name for job in pipeline.jobs}
    for job in pipeline.jobs:
        for needed in job.waits_for:
            name = text(needed) or ""
            if name in names:
                yield Agrees(needed.at)
            elif pipeline.elsewhere or "$" in name:
                yield Undetermined(needed.at, f"job {name} may be in a file elsewhere", decidable=False)
            else:
                guess = nearest(name, sorted(names))
                fix = (
                    f"did you mean {guess}?"
                    if guess
                    else "name a job of the pipeline, or write optional: true"
                )
                expected = Quote(
                    job.at, f"no job of the pipeline is called {name}: GitLab rejects the whole pipeline"
                )
                yield Contradicts(Quote(needed.at, f"job {job.name} needs {name}"), expected, fix)
