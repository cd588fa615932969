"""Judge promises that are declared only: labels and responsibilities."""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.promises.declarations import Declaration, Label, Responsibility
from builder_contracts.judge.explanation import Explanation
from builder_contracts.verdict import Assessment, kept


def judge(promise: Declaration) -> Assessment:
    """Kept on rung C0. Loading the contracts rejects what could break: a label of two builder classes, or a
    responsibility that names no clause."""
    match promise:
        case Label():
            return kept("declared by this contract only", declared=True)
        case Responsibility():
            return kept(f"declared; backed by {', '.join(promise.shown_by)}", declared=True)
        case _:
            assert_never(promise)


def explain(promise: Declaration) -> Explanation:
    match promise:
        case Label():
            return Explanation(
                how="Declared (C0): stated by the contract and not observed. "
                "Loading the contracts together checks that no other contract claims the label.",
                unproven="Never; a contract that loads declares it.",
                why="Jobs select runners by label alone; with a shared label, a job may get either class.",
                breaks="A second contract with the same label; rejected as bad input before any check.",
                fix="Give the label to one class and register the pool's runners under it.",
            )
        case Responsibility():
            return Explanation(
                how="Declared (C0): the wording itself is not observed; "
                f"the evidence is in the verdicts on {', '.join(promise.shown_by)}.",
                unproven="Never; a contract that loads declares it.",
                why="It states the purpose of the class in one sentence, for readers who pick a runner.",
                breaks="'shown_by' lists a clause the contract lacks, or one that is only declared; "
                "rejected as bad input before any check.",
                fix="List the observed clauses that back the promise, or add them.",
            )
        case _:
            assert_never(promise)
