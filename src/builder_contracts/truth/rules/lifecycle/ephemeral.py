"""Compares templates of runners with volumes that outlive a job, and settings that keep a runner."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.model import environment
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, get, items, text

_EPHEMERAL = ("RUNNER_EPHEMERAL", "EPHEMERAL", "ACTIONS_RUNNER_EPHEMERAL")


@rule("lifecycle/ephemeral", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("lifecycle")
    expected = Quote(facts.at(), "a runner serves one job, then exits")
    for scale_set in context.model.scale_sets:
        wrong: Quote | None = None
        for name, value in environment(scale_set.runner).items():
            if name in _EPHEMERAL and (text(value) or "").lower() in ("false", "0", "no"):
                wrong = Quote(value.at, f"{scale_set.name} sets {name}={text(value)}")
        volumes = get(scale_set.pod.spec, "volumes") if scale_set.pod else None
        if isinstance(volumes, Unknown):
            yield Undetermined(volumes.at, volumes.reason)
            continue
        for volume in items(volumes):
            claim = get(volume, "persistentVolumeClaim")
            if claim is not None:
                wrong = Quote(
                    claim.at, f"{scale_set.name} keeps volume {text(get(volume, 'name'))!r} between jobs"
                )
        yield (Contradicts(wrong, expected, "make the volume ephemeral") if wrong else Agrees(scale_set.at))
