"""Compares `runs-on` and `tags` with the labels of classes and scale sets: some runner must carry all that a job asks for."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator

from builder_contracts.contract.model import AUTOMATIC_LABELS
from builder_contracts.contract.schemas import nearest
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.known_software import known_software
from builder_contracts.truth.model import CiJob, LabelChoice
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Value, get, text


@rule("workflows/labels", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    yield from included_elsewhere(context)
    for job in context.model.jobs:
        if job.computed:
            reason = f"a label of job {job.name} is known only at run time"
            yield Undetermined(job.at, reason, decidable=False)
        if (called := job.called) is not None:
            yield elsewhere(context, job, called)
        for choice in job.choices:
            written = [text(label) or "" for label in choice.labels]
            if context.builders_of(written):
                yield from (Agrees(label.at) for label in choice.labels)
                continue
            combined = _combined(context, job, choice)
            if combined is not None:
                yield combined
                continue
            for label in choice.labels:
                yield from _label(context, job, label)


def included_elsewhere(context: RuleContext) -> Iterator[Undetermined]:
    """What the pipelines include of other places than the checkout: jobs that nobody sees here."""
    for pipeline in context.model.pipelines:
        for entry in pipeline.elsewhere:
            names = (text(get(entry, key)) for key in ("project", "remote", "component", "local"))
            name = text(entry) or next(filter(None, names), None)
            # GitLab's own templates ask for no label.
            if name is not None and get(entry, "template") is None:
                reason = f"the pipeline includes jobs of {name}, which is not in this checkout"
                yield Undetermined(entry.at, reason, decidable=False)


def elsewhere(context: RuleContext, job: CiJob, called: Value) -> Undetermined:
    """A job that calls a workflow which this checkout does not have."""
    given = context.model.other_refs.get(text(called) or "")
    why = f"the given checkout is of {given}" if given else "no given checkout has it"
    reason = f"job {job.name} calls {text(called)}, which is in another repository; {why}"
    return Undetermined(called.at, reason, decidable=False)


def _label(context: RuleContext, job: CiJob, label: Value) -> Iterator[RuleResult]:
    enrolment = context.facts("enrolment")
    prefixes = tuple(prefix.lower() for prefix in enrolment.get("label_prefixes", default=[]))
    own = [written for value in context.model.own_labels if (written := text(value))]
    written = text(label) or ""
    # GitHub ignores case.
    name = written.lower()
    by_name = _labels_by_name(context)
    if name in by_name or _matches(name, own):
        yield Agrees(label.at)
    elif _matches(name, _hosted(context)) or not name:
        return
    elif "$" in name:
        yield Undetermined(
            label.at, f"label {written} of job {job.name} is known only at run time", decidable=False
        )
    elif not prefixes or not name.startswith(prefixes):
        reason = f"no class has label {written} of job {job.name}, and nobody else is known to serve it"
        yield Undetermined(label.at, reason, decidable=False)
    else:
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


def _hosted(context: RuleContext) -> Iterator[str]:
    """Labels that somebody else serves: GitHub, or whom the platform names."""
    yield from (
        *known_software().hosted,
        *AUTOMATIC_LABELS,
        *context.facts("workflows").get("hosted", default=[]),
    )


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern.lower()) for pattern in patterns)


def _labels_by_name(context: RuleContext) -> dict[str, str]:
    """Labels of classes and scale sets by what they are in lower case."""
    extra = context.facts("enrolment").get("extra_scale_sets", default={})
    by_name = {label.lower(): label for label in (*context.labels, *extra)}
    for scale_set in context.model.scale_sets:
        by_name = {**{label: label for label in scale_set.labels}, **by_name}
    return by_name


def _combined(context: RuleContext, job: CiJob, choice: LabelChoice) -> Contradicts | None:
    """A list with a label of the platform's runners and more than they carry: no runner has all of them."""
    names = {(text(label) or "").lower(): label for label in choice.labels}
    deployed = [scale_set for scale_set in context.model.scale_sets if scale_set.labels & names.keys()]
    if any(names.keys() <= scale_set.labels for scale_set in deployed):
        return None
    carriers = [(scale_set.labels, scale_set.at, True) for scale_set in deployed]
    carriers += [
        (carried, contract.source, context.has_scale_sets)
        for carried, contract in context.builders
        if carried & names.keys() - AUTOMATIC_LABELS
    ]
    if len(names) < 2 or not carriers:
        return None
    carried, at, is_scale_set = carriers[0]
    ours = list(
        dict.fromkeys(
            name for name in names for labels, _, _ in carriers if name in labels - AUTOMATIC_LABELS
        )
    )
    shown = " and ".join(text(names[name]) or "" if name in names else name for name in sorted(carried))
    says = (
        f"runners of a scale set have one label, here {shown}"
        if is_scale_set and len(carried) == 1
        else (f"its runners have the labels {shown}")
    )
    labels = ", ".join(text(label) or "" for label in choice.labels)
    return Contradicts(
        Quote(names[ours[0]].at, f"job {job.name} runs on [{labels}]"),
        Quote(at, f"{says}, so no runner has all of these"),
        " or ".join(f"use runs-on: {text(names[name])}" for name in ours),
    )
