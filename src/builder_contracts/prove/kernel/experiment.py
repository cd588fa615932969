"""The kernel canary as an experiment of a class: carried out on its bench, judged tier by tier."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from builder_contracts.errors import InputError
from builder_contracts.prove.canary import Canary
from builder_contracts.prove.check_result import Finding
from builder_contracts.prove.containers import ContainerBench
from builder_contracts.prove.kernel import ladder, recipe, tiers, workshop
from builder_contracts.prove.kernel.progress import ProgressListener, silent
from builder_contracts.prove.record_canary import CanaryRecord
from builder_contracts.prove.unavailable import Lost
from builder_contracts.runner import engine


@dataclass(frozen=True)
class Choice:
    """Options of the command line: a different source or configuration, and who gets the progress."""

    source: Path | None = None
    config: Path | None = None
    say: ProgressListener = silent


def prove(bench: ContainerBench, canary: Canary, choice: Choice | None = None) -> CanaryRecord | Lost:
    """Build, rebuild, package and boot the canary's kernel in fresh runners of the class."""
    choice = choice or Choice()
    try:
        kernel = recipe.load(canary.folder, source=choice.source, config=choice.config)
    except InputError as error:
        return Lost(error.sentence)
    try:
        record = workshop.run(bench, kernel, say=choice.say)
    except engine.LOST as error:
        return Lost(f"lost connection to the engine: {engine.reason(error)}")
    results = tiers.judge(record)
    reached = ladder.highest_claim(results)
    choice.say(f"{canary.name}: {reached}")
    return CanaryRecord(canary.name, {name: _with_claim(result, reached) for name, result in results.items()})


def _with_claim(result: Finding | Lost, reached: ladder.Reached) -> Finding | Lost:
    """The claim that the canary reached stands beside every result: none is read for more than it proves."""
    if isinstance(result, Lost):
        return result
    return dataclasses.replace(result, witnesses=(*result.witnesses, f"kernel claim: {reached}"))
