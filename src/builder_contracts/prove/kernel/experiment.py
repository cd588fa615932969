"""The kernel canary as an experiment of a class: carried out on its bench, judged tier by tier."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from builder_contracts.errors import InputError
from builder_contracts.prove.canary import Canary
from builder_contracts.prove.containers import ContainerBench
from builder_contracts.prove.kernel import ladder, recipe, tiers, workshop
from builder_contracts.prove.kernel.progress import Say, silent
from builder_contracts.prove.records import CanaryRecord, Finding, Lost
from builder_contracts.runner import engine


@dataclass(frozen=True)
class Choice:
    """What the command line asks for: another source, another configuration, and who hears of the progress."""

    source: Path | None = None
    config: Path | None = None
    say: Say = silent


def prove(bench: ContainerBench, canary: Canary, choice: Choice | None = None) -> CanaryRecord | Lost:
    """Build, rebuild, package and boot the canary's kernel in fresh runners of the class."""
    choice = choice or Choice()
    try:
        wanted = recipe.load(canary.folder, source=choice.source, config=choice.config)
    except InputError as error:
        return Lost(error.sentence)
    try:
        record = workshop.run(bench, wanted, say=choice.say)
    except engine.LOST as error:
        return Lost(f"the engine stopped answering: {engine.reason(error)}")
    found = tiers.judge(record)
    reached = ladder.climb(found)
    choice.say(f"{canary.name}: {reached}")
    return CanaryRecord(canary.name, {name: _with_claim(finding, reached) for name, finding in found.items()})


def _with_claim(finding: Finding | Lost, reached: ladder.Reached) -> Finding | Lost:
    """The rung that the canary reached stands beside every finding: none is read for more than it shows."""
    if isinstance(finding, Lost):
        return finding
    return dataclasses.replace(finding, witnesses=(*finding.witnesses, f"claim of this kernel: {reached}"))
