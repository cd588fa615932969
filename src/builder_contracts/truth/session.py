"""What the command line and pytest share: loading contracts, taking a baseline into account, the exit code."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

from builder_contracts.contract.loading import is_contract, load_all
from builder_contracts.contract.model import Contract
from builder_contracts.errors import ExitCode, InputError, Problem
from builder_contracts.truth.baseline import Compared, compare
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.platform import load as load_platform
from builder_contracts.truth.verdicts import TruthReport
from builder_contracts.verdict import Outcome


def load(folder: Path) -> tuple[Platform, list[Contract]]:
    """The platform in ``folder/platform`` and the classes in ``folder``. Raises InputError."""
    problems: list[Problem] = []
    classes: list[Contract] = []
    try:
        classes = load_all(path for path in sorted(folder.glob("*.y*ml")) if is_contract(path))
    except InputError as error:
        problems += error.problems
    try:
        platform = load_platform(folder / "platform")
    except InputError as error:
        raise InputError([*problems, *error.problems]) from None
    if problems:
        raise InputError(problems)
    return platform, classes


def with_baseline(judgement: TruthReport, known: Counter[str]) -> tuple[TruthReport, Compared]:
    """The judgement without what the baseline knows: a clause all of whose findings are known is waived."""
    compared = compare(judgement.findings, known)
    still_broken = {finding.clause for finding in compared.new}
    excused = {finding.clause for finding in compared.known} - still_broken
    verdicts = tuple(
        dataclasses.replace(verdict, outcome=Outcome.WAIVED, likely="known by the baseline", witnesses=())
        if verdict.clause in excused and verdict.outcome is Outcome.BROKEN
        else verdict
        for verdict in judgement.verdicts
    )
    changed = dataclasses.replace(
        judgement, verdicts=verdicts, findings=compared.new, known=len(compared.known)
    )
    return changed, compared


def exit_code(judgement: TruthReport, *, strict: bool) -> ExitCode:
    """The answer to the shell: broken before unproven before kept."""
    if judgement.count(Outcome.BROKEN):
        return ExitCode.BROKEN
    unproven = [verdict for verdict in judgement.verdicts if verdict.outcome is Outcome.UNPROVEN]
    if any(verdict.here or strict for verdict in unproven):
        return ExitCode.UNPROVEN
    return ExitCode.KEPT if judgement.verdicts else ExitCode.NOTHING_SELECTED
