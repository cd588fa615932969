"""Code that the command line and pytest share: load contracts and a baseline, yield verdicts, choose the exit code."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from builder_contracts.contract.loading import NO_SETTINGS, is_contract, load_all
from builder_contracts.contract.model import Contract
from builder_contracts.errors import ExitCode, InputError, Location, Problem
from builder_contracts.truth.baseline import Compared, compare
from builder_contracts.truth.platform import Platform, of_classes_alone
from builder_contracts.truth.platform import load as load_platform
from builder_contracts.truth.verdicts import TruthReport
from builder_contracts.verdict import Contradiction, Outcome, Verdict


def load(folder: Path, settings: Mapping[str, str] = NO_SETTINGS) -> tuple[Platform, list[Contract]]:
    """The platform in ``folder/platform`` and the classes in ``folder``, which alone are enough. Raises InputError."""
    problems: list[Problem] = []
    classes: list[Contract] = []
    try:
        classes = load_all((path for path in sorted(folder.glob("*.y*ml")) if is_contract(path)), settings)
    except InputError as error:
        problems += error.problems
    try:
        alone = classes and not (folder / "platform").is_dir()
        platform = of_classes_alone(folder) if alone else load_platform(folder / "platform")
    except InputError as error:
        raise InputError([*problems, *error.problems]) from None
    if problems:
        raise InputError(problems)
    return platform, classes


def with_baseline(judgement: TruthReport, accepted: Counter[str]) -> tuple[TruthReport, Compared]:
    """The judgement without accepted findings: a clause all of whose findings are in the baseline is waived."""
    compared = compare(judgement.findings, accepted)
    still_broken = {finding.clause for finding in compared.new}
    excused = {finding.clause for finding in compared.known} - still_broken
    verdicts = tuple(
        dataclasses.replace(verdict, outcome=Outcome.WAIVED, cause="in the baseline", fix="", witnesses=())
        if verdict.clause in excused and verdict.outcome is Outcome.BROKEN
        else verdict
        for verdict in judgement.verdicts
    )
    changed = dataclasses.replace(
        judgement, verdicts=verdicts, findings=compared.new, known=len(compared.known)
    )
    return changed, compared


def verdicts_of(judgement: TruthReport) -> Iterator[Verdict]:
    """The verdicts as reports have them: each with the contradictions behind it."""
    # Contracts are named from the current directory, files of the checkout from its root.
    folders = {str(Path(verdict.location.file).parent) for verdict in judgement.verdicts}
    root = Path(judgement.root).resolve()

    def place(source: Location) -> Location:
        path = Path(source.file)
        if str(path.parent) not in folders or "://" in source.file:
            return source
        path = path.resolve()
        file = path.relative_to(root) if path.is_relative_to(root) else path
        return dataclasses.replace(source, file=file.as_posix())

    for verdict in judgement.verdicts:
        contradictions = tuple(
            Contradiction(
                place(finding.actual.at),
                finding.actual.says,
                place(finding.expected.at),
                finding.expected.says,
                finding.fix,
                finding.fingerprint,
            )
            for finding in judgement.findings_of(verdict)
        )
        yield dataclasses.replace(verdict, contradictions=contradictions)


def exit_code(judgement: TruthReport, *, strict: bool) -> ExitCode:
    """The answer to the shell: broken before unproven before kept."""
    if judgement.count(Outcome.BROKEN):
        return ExitCode.BROKEN
    skipped = judgement.not_applicable
    unproven = [
        verdict
        for verdict in judgement.verdicts
        if verdict.outcome is Outcome.UNPROVEN and verdict not in skipped
    ]
    if any(verdict.provable_here or strict for verdict in unproven):
        return ExitCode.UNPROVEN
    if strict and judgement.unread:
        return ExitCode.UNPROVEN
    # A search without a hit decides its clause. If nothing else is decided, the checkout was not judged.
    decided = any(
        verdict.outcome in (Outcome.KEPT, Outcome.WAIVED) and verdict.checked != 0
        for verdict in judgement.verdicts
    )
    return ExitCode.KEPT if decided else ExitCode.NOTHING_SELECTED
