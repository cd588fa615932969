"""How pools grow and shrink, and how long things may take."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.context import Context, declared
from builder_contracts.truth.finding import Agrees, Contradicts, Observation, Side, Unseen
from builder_contracts.truth.model import environment
from builder_contracts.truth.value import Unknown, get, items, number, text

_GITHUB_DEFAULT_MINUTES = 360
_KUBERNETES_DEFAULT_GRACE = 30
_EPHEMERAL = ("RUNNER_EPHEMERAL", "EPHEMERAL", "ACTIONS_RUNNER_EPHEMERAL")


def scaling(context: Context) -> Iterator[Observation]:
    facts = context.facts("lifecycle")
    bounds = facts.get("scaling")
    for scale_set in context.model.scale_sets:
        label = text(scale_set.label)
        if isinstance(scale_set.label, Unknown):
            yield Unseen(scale_set.label.at, scale_set.label.reason)
        if label is None:
            continue
        if label not in bounds:
            actual = Side(scale_set.at, f"scale set {scale_set.name} has label {label!r}")
            yield Contradicts(
                actual, Side(facts.at("scaling"), "declared bounds"), "declare bounds for this label"
            )
            continue
        for key, word, edge in (("minRunners", "least", "min"), ("maxRunners", "most", "max")):
            value = get(scale_set.values, key)
            limit = bounds[label][edge]
            if value is None:
                yield Agrees(scale_set.at)
            elif isinstance(value, Unknown) or number(value) is None:
                yield Unseen(value.at, value.reason if isinstance(value, Unknown) else "not a number")
            elif (number(value) or 0) > limit or (edge == "max" and (number(value) or 0) < 1):
                actual = Side(value.at, f"{scale_set.name} runs {word} {number(value)} runners")
                expected = declared(facts, "scaling", label, edge, says=f"{label}: {edge} {limit}")
                yield Contradicts(actual, expected, "stay within the bounds, or declare new ones")
            else:
                yield Agrees(value.at)


def ephemeral(context: Context) -> Iterator[Observation]:
    facts = context.facts("lifecycle")
    expected = Side(facts.at(), "a runner serves one job, then exits")
    for scale_set in context.model.scale_sets:
        wrong: Side | None = None
        for name, value in environment(scale_set.runner).items():
            if name in _EPHEMERAL and (text(value) or "").lower() in ("false", "0", "no"):
                wrong = Side(value.at, f"{scale_set.name} sets {name}={text(value)}")
        volumes = get(scale_set.pod.spec, "volumes") if scale_set.pod else None
        if isinstance(volumes, Unknown):
            yield Unseen(volumes.at, volumes.reason)
            continue
        for volume in items(volumes):
            claim = get(volume, "persistentVolumeClaim")
            if claim is not None:
                wrong = Side(
                    claim.at, f"{scale_set.name} keeps volume {text(get(volume, 'name'))!r} between jobs"
                )
        yield (Contradicts(wrong, expected, "make the volume ephemeral") if wrong else Agrees(scale_set.at))


def scaling_owner(context: Context) -> Iterator[Observation]:
    facts = context.facts("lifecycle")
    owner = facts.get("owner", default="the controller")
    for scale_set in context.model.scale_sets:
        rival = next(
            (
                autoscaler
                for autoscaler in context.model.autoscalers
                if text(autoscaler.target) == scale_set.name
            ),
            None,
        )
        if rival is not None:
            actual = Side(rival.at, f"an autoscaler scales {scale_set.name}")
            expected = declared(facts, "owner", says=f"{owner} scales {scale_set.name}")
            yield Contradicts(
                actual, expected, "remove the autoscaler; the controller owns minRunners and maxRunners"
            )
        else:
            yield Agrees(scale_set.at)


def grace_periods(context: Context) -> Iterator[Observation]:
    facts = context.facts("lifecycle")
    least = facts.get("grace_seconds", "least", default=_KUBERNETES_DEFAULT_GRACE)
    most = facts.get("grace_seconds", "most", default=86400)
    for scale_set in context.model.scale_sets:
        value = get(scale_set.pod.spec, "terminationGracePeriodSeconds") if scale_set.pod else None
        if isinstance(value, Unknown):
            yield Unseen(value.at, value.reason)
            continue
        seconds = number(value) if value is not None else _KUBERNETES_DEFAULT_GRACE
        at = value.at if value is not None else scale_set.at
        if seconds is not None and least <= seconds <= most:
            yield Agrees(at)
        else:
            expected = declared(facts, "grace_seconds", says=f"{least} to {most} seconds")
            yield Contradicts(
                Side(at, f"{scale_set.name} has {seconds} s to terminate"),
                expected,
                "set a longer grace period",
            )


def deadlines(context: Context) -> Iterator[Observation]:
    facts = context.facts("lifecycle")
    least, most = facts.get("job_minutes", "least", default=1), facts.get("job_minutes", "most", default=360)
    served = {*context.labels, *context.facts("enrolment").get("extra_scale_sets", default={})}
    for job in context.model.jobs:
        if job.forge != "github" or not any(text(label) in served for label in job.labels or ()):
            continue
        minutes = number(job.timeout) if job.timeout is not None else _GITHUB_DEFAULT_MINUTES
        at = job.timeout.at if job.timeout is not None else job.at
        if minutes is None:
            yield Unseen(at, "the timeout is computed at run time")
        elif least <= minutes <= most:
            yield Agrees(at)
        else:
            expected = declared(facts, "job_minutes", says=f"{least} to {most} minutes")
            yield Contradicts(
                Side(at, f"job {job.name} may take {minutes} minutes"),
                expected,
                "set a timeout within the bounds",
            )
