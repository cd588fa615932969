"""Weighs what two witnesses say of one promise. Pure."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.promises import (
    DaemonPromise,
    Declaration,
    ImagePromise,
    JobCommand,
    JobPromise,
    LocalizationPromise,
    NixSetting,
    PackagePromise,
    PathState,
    PodPromise,
    PrivilegePromise,
    Promise,
    ProofPromise,
    SearchPathRule,
    SecretPromise,
    Tool,
    TrustPromise,
)
from builder_contracts.contract.promises.daemon import DaemonListens, DaemonSetting
from builder_contracts.contract.promises.identity import Groups, Shell
from builder_contracts.contract.promises.isolation import DockerDaemon, Mount, Privileged, Unshare
from builder_contracts.contract.promises.network import Denied, Reaches, Resolves, Responds
from builder_contracts.contract.promises.process import (
    SharedMemory,
    Sysctl,
    Ulimit,
    Umask,
    WorkingDirectory,
)
from builder_contracts.facts.model import CONTRADICTION, Facts, PackageFacts, RunnerFacts, Unseen
from builder_contracts.verdict import Assessment, Outcome, unproven

_CHANGING = {"free"}
"""Facts that two looks may see differently: other jobs fill the disk."""


_NEVER_OUTSIDE = (
    Declaration
    | ImagePromise
    | ProofPromise
    | JobPromise
    | WorkingDirectory
    | Sysctl
    | JobCommand
    | SearchPathRule
    | PrivilegePromise
    | SecretPromise
    | TrustPromise
    | LocalizationPromise
    | Groups
    | NixSetting
    | PodPromise
    | DaemonSetting
)
"""Promises about which a look at the job's process tells nothing."""


@dataclass(frozen=True)
class WeighedAssessment:
    """What the witnesses establish together; ``one_witness`` is True where two were possible and one spoke.

    ``facts`` are those of the witness that decided.
    """

    assessment: Assessment
    facts: Facts
    witnesses: tuple[str, ...] = ()
    one_witness: bool = False


def shows_outside(promise: Promise) -> bool:
    """Whether a look from outside can establish a promise; the others need a program in the runner."""
    match promise:
        case Tool():
            return not promise.present or not (promise.version or promise.work or promise.features)
        case PathState():
            return not promise.present or not promise.has_details
        case Shell() | DockerDaemon() | Mount() | Unshare() | Resolves() | Reaches() | Responds() | Denied():
            return False
        case DaemonListens() | Umask() | Ulimit() | SharedMemory():
            return True
        case _:
            return not isinstance(promise, _NEVER_OUTSIDE | DaemonPromise)


def weigh(
    promise: Promise, inside: Assessment, outside: Assessment | None, facts: Facts
) -> WeighedAssessment:
    """The assessment of the facts as both witnesses have them; ``outside`` is None without an outside witness."""
    inner, outer = _name_inside(promise, facts), "kernel"
    lines = tuple(
        f"{name}: {assessment.observation}"
        for name, assessment in ((inner, inside), (outer, outside))
        if assessment is not None and _is_proven(assessment) and not assessment.declared
    )
    if outside is None or isinstance(promise, _NEVER_OUTSIDE):
        return WeighedAssessment(inside, facts, lines[:1])
    assert isinstance(facts.outside, Facts)
    if not _is_proven(outside):
        if inside.outcome is Outcome.KEPT and not _agree(*_records(inside.inspect, facts)):
            lines += (f"{outer}: {outside.observation}",)
            return _disagreement(inside, facts, lines)
        one_witness = shows_outside(promise) and _is_proven(inside) and not _only_rpm_reads(promise, facts)
        missing = (f"{outer}: no result: {outside.observation}",) if one_witness else ()
        return WeighedAssessment(inside, facts, lines + missing, one_witness)
    if not _is_proven(inside):
        if inside.observation.startswith(CONTRADICTION) and outside.outcome is Outcome.KEPT:
            return WeighedAssessment(inside, facts, lines)
        missing = (f"{inner}: no result: {inside.observation}",)
        return WeighedAssessment(outside, facts.outside, missing + lines, one_witness=True)
    if outside.outcome is Outcome.BROKEN and inside.outcome is Outcome.KEPT:
        likely = (
            f"{outside.cause}; the {inner} reports otherwise, so do not trust the image's shell and tools"
        )
        return WeighedAssessment(dataclasses.replace(outside, cause=likely), facts.outside, lines)
    # Witnesses of a broken promise may differ in what is wrong; that it is wrong they agree on.
    agree = (
        inside.outcome is Outcome.BROKEN
        or inside.inspect == ".env"
        or _agree(value_at(facts, inside.inspect), value_at(facts.outside, inside.inspect))
    )
    if outside.outcome is inside.outcome and agree:
        return WeighedAssessment(inside, facts, lines)
    return _disagreement(inside, facts, lines)


def _only_rpm_reads(promise: Promise, facts: Facts) -> bool:
    """Whether a promise is about rpm's database, which is not text."""
    return (
        isinstance(promise, PackagePromise)
        and isinstance(facts.packages, PackageFacts)
        and facts.packages.manager == "rpm"
    )


def _disagreement(inside: Assessment, facts: Facts, lines: tuple[str, ...]) -> WeighedAssessment:
    reason = f"the witnesses disagree: {'; '.join(lines)}"
    return WeighedAssessment(unproven(reason, inspect=inside.inspect), facts, lines)


def _records(path: str, facts: Facts) -> tuple[Any, Any]:
    """The record that holds a fact, as both witnesses have it: who is wrong about a uid is so about its name."""
    parent = path.rpartition(".")[0]
    inside, outside = value_at(facts, parent), value_at(facts.outside, parent)
    return (inside, outside) if dataclasses.is_dataclass(inside) else (None, None)


def _is_proven(assessment: Assessment) -> bool:
    return assessment.outcome is not Outcome.UNPROVEN


def _name_inside(promise: Promise, facts: Facts) -> str:
    if not isinstance(promise, ImagePromise | Privileged | PodPromise) or not isinstance(
        facts.runner, RunnerFacts
    ):
        return "probe"
    return {"docker": "engine", "kubernetes": "Kubernetes API"}.get(facts.runner.kind, "probe")


# A step of a path as jq has it: .name, ["any key"], [0].
_STEP = re.compile(r"""\.(?P<name>\w[^.\[]*)|\[(?P<key>"(?:[^"\\]|\\.)*")\]|\[(?P<index>\d+)\]""")


def value_at(facts: Facts | Unseen, path: str) -> Any:
    """The fact at a path as jq has it, or None where there is none."""
    value: Any = facts
    at = 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            return None
        at = step.end()
        try:
            if step["index"]:
                value = value[int(step["index"])]
            else:
                name = step["name"] or json.loads(step["key"])
                value = value[name] if isinstance(value, Mapping) else getattr(value, name)
        except (AttributeError, IndexError, KeyError, TypeError):
            return None
    return value if path else None


def _agree(inside: Any, outside: Any) -> bool:
    """Whether two values can both be true. What a witness did not see, it does not deny."""
    if isinstance(inside, Unseen) or isinstance(outside, Unseen):
        return True
    if dataclasses.is_dataclass(inside) and type(inside) is type(outside):
        fields = (field.name for field in dataclasses.fields(inside))
        return all(
            name in _CHANGING or _agree(getattr(inside, name), getattr(outside, name)) for name in fields
        )
    if isinstance(inside, Mapping) and isinstance(outside, Mapping):
        return all(_agree(inside[name], outside[name]) for name in inside.keys() & outside.keys())
    if isinstance(inside, list) and isinstance(outside, list):
        # The outside may see more: sockets at other paths.
        return all(item in outside for item in inside)
    return bool(inside == outside)
