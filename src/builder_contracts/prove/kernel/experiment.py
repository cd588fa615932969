"""The kernel canary as an experiment of a class: carried out on its bench, judged tier by tier."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from builder_contracts.errors import InputError
from builder_contracts.prove.canary.definition import Canary
from builder_contracts.prove.container_testbed import ContainerTestbed
from builder_contracts.prove.kernel import claims, recipe
from builder_contracts.prove.kernel import judge as tiers
from builder_contracts.prove.kernel import tiers as workshop
from builder_contracts.prove.kernel.progress import Say, silent
from builder_contracts.prove.records import CanaryRecord, CheckResult, Unavailable
from builder_contracts.runner.docker import engine


@dataclass(frozen=True)
class KernelOverrides:
    """What the command line asks for: another source, another configuration, and who hears of the progress."""

    source: Path | None = None
    config: Path | None = None
    say: Say = silent


def prove(
    bench: ContainerTestbed, canary: Canary, choice: KernelOverrides | None = None
) -> CanaryRecord | Unavailable:
    """Build, rebuild, package and boot the canary's kernel in fresh runners of the class."""
    choice = choice or KernelOverrides()
    try:
        wanted = recipe.load(canary.folder, source=choice.source, config=choice.config)
    except InputError as error:
        return Unavailable(error.sentence)
    try:
        record = workshop.run(bench, wanted, say=choice.say)
    except engine.LOST as error:
        return Unavailable(f"the engine stopped answering: {engine.reason(error)}")
    found = tiers.judge(record)
    reached = claims.climb(found)
    choice.say(f"{canary.name}: {reached}")
    return CanaryRecord(canary.name, {name: _with_claim(finding, reached) for name, finding in found.items()})


def _with_claim(
    finding: CheckResult | Unavailable, reached: claims.ClaimReached
) -> CheckResult | Unavailable:
    """The rung that the canary reached stands beside every finding: none is read for more than it shows."""
    if isinstance(finding, Unavailable):
        return finding
    return dataclasses.replace(finding, witnesses=(*finding.witnesses, f"claim of this kernel: {reached}"))
