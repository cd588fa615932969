"""The kernel canary as an experiment of a class: performed on its testbed, judged tier by tier."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from builder_contracts.errors import InputError
from builder_contracts.prove.canary.definition import Canary
from builder_contracts.prove.canary.record import CanaryRecord
from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.container_testbed import ContainerTestbed
from builder_contracts.prove.kernel import claims, recipe
from builder_contracts.prove.kernel import judge as tiers
from builder_contracts.prove.kernel import tiers as workshop
from builder_contracts.prove.kernel.progress import ProgressListener, silent
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.docker import engine


@dataclass(frozen=True)
class KernelOverrides:
    """Options of the command line: a different source or configuration, and who gets the progress."""

    source: Path | None = None
    config: Path | None = None
    say: ProgressListener = silent


def prove(
    bench: ContainerTestbed, canary: Canary, choice: KernelOverrides | None = None
) -> CanaryRecord | Unavailable:
    """Build, rebuild, package and boot the canary's kernel in fresh runners of the class."""
    choice = choice or KernelOverrides()
    try:
        kernel = recipe.load(canary.folder, source=choice.source, config=choice.config)
    except InputError as error:
        return Unavailable(error.sentence)
    try:
        record = workshop.run(bench, kernel, say=choice.say)
    except engine.LOST as error:
        return Unavailable(f"lost connection to the engine: {engine.reason(error)}")
    results = tiers.judge(record)
    reached = claims.highest_claim(results)
    choice.say(f"{canary.name}: {reached}")
    return CanaryRecord(canary.name, {name: _with_claim(result, reached) for name, result in results.items()})


def _with_claim(result: CheckResult | Unavailable, reached: claims.ClaimReached) -> CheckResult | Unavailable:
    """Add the claim that the canary reached to every result, so that no result is read as proving more."""
    if isinstance(result, Unavailable):
        return result
    return dataclasses.replace(result, witnesses=(*result.witnesses, f"kernel claim: {reached}"))
