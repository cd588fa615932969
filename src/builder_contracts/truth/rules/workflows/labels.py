"""Compares `runs-on` with the labels of classes and scale sets, of which a job can ask for one only."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator

from builder_contracts.contract.schemas import nearest
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.model import CiJob, LabelChoice
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Value, text


@rule("workflows/labels", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    for job in context.model.jobs:
        if job.forge != "github":
            continue
        if job.computed:
            reason = f"a label of job {job.name} is known only at run time"
            yield Undetermined(job.at, reason, decidable=False)
        if (called := job.called) is not None:
            yield elsewhere(job, called)
        for choice in job.choices:
            combined = _combined(context, job, choice)
            if combined is not None:
                yield combined
                continue
            for label in choice.labels:
                yield from _label(context, job, label)


def elsewhere(job: CiJob, called: Value) -> Undetermined:
    """A job that calls a workflow which this checkout does not have."""
    reason = f"job {job.name} calls {text(called)}, which is in another repository"
    return Undetermined(called.at, reason, decidable=False)


def _label(context: RuleContext, job: CiJob, label: Value) -> Iterator[RuleResult]:
    enrolment = context.facts("enrolment")
    prefixes = tuple(prefix.lower() for prefix in enrolment.get("label_prefixes", default=[]))
    own = [written for value in context.model.own_labels if (written := text(value))]
    hosted = context.facts("workflows").get("hosted", default=[])
    by_name = _known(context)
    written = text(label) or ""
    # GitHub ignores case.
    name = written.lower()
    if name in by_name or _matches(name, own):
        yield Agrees(label.at)
    elif prefixes and name.startswith(prefixes) and not _matches(name, hosted):
        shown = ", ".join(by_name.values())
        guess = nearest(written, list(by_name.values()))
        if guess is not None and name.startswith(f"{guess.lower()}-"):
            # A longer name is another kind of runner, not a slip.
            guess = None
        if guess is not None and guess in context.labels:
            expected = Quote(context.labels[guess].source, f"the class {context.labels[guess].name}")
        else:
            expected = Quote(enrolment.at("label_prefixes"), f"known labels: {shown}")
        fix = f"use {guess}" if guess else f"known labels: {shown}"
        yield Contradicts(Quote(label.at, f"job {job.name} runs on {written!r}"), expected, fix)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern.lower()) for pattern in patterns)


def _known(context: RuleContext) -> dict[str, str]:
    """Labels of classes and scale sets by what they are in lower case."""
    extra = context.facts("enrolment").get("extra_scale_sets", default={})
    deployed = [label for scale_set in context.model.scale_sets if (label := text(scale_set.label))]
    by_name: dict[str, str] = {}
    for label in (*context.labels, *extra, *deployed):
        by_name.setdefault(label.lower(), label)
    return by_name


def _combined(context: RuleContext, job: CiJob, choice: LabelChoice) -> Contradicts | None:
    """A list that has a scale set's label and more: the scale set has that one label, so no runner has all of them."""
    names = {(text(label) or "").lower(): label for label in choice.labels}
    scale_sets = {(text(scale_set.label) or "").lower(): scale_set for scale_set in context.model.scale_sets}
    charts = context.facts("enrolment").get("charts") is not None
    ours = [name for name in names if name in scale_sets or (charts and name in context.builders)]
    if len(names) < 2 or not ours:
        return None
    name = ours[0]
    written = text(names[name]) or ""
    at = scale_sets[name].at if name in scale_sets else context.builders[name].source
    labels = ", ".join(text(label) or "" for label in choice.labels)
    return Contradicts(
        Quote(names[name].at, f"job {job.name} runs on [{labels}]"),
        Quote(at, f"runners of a scale set have one label, here {written}, so no runner has all of these"),
        " or ".join(f"use runs-on: {text(names[label])}" for label in ours),
    )
