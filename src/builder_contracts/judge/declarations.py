"""Judges promises that are declared only: labels and responsibilities."""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.promises.declarations import Declaration, Label, Responsibility
from builder_contracts.verdict import Assessment, kept


def judge(promise: Declaration) -> Assessment:
    """Kept on rung C0. What could break here, two classes with one label or a responsibility that names
    no clause, is refused when the contracts are loaded."""
    match promise:
        case Label():
            return kept("declared by this contract and by no other", declared=True)
        case Responsibility():
            return kept(f"declared; carried by {', '.join(promise.shown_by)}", declared=True)
        case _:
            assert_never(promise)
