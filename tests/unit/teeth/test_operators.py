"""Every kind of promise has operators, and what they change is false of the facts that keep the original."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.contract.promises import Promise, ProofPromise, SearchPathRule, SecretPromise
from builder_contracts.contract.promises.daemon import DaemonOwn
from builder_contracts.contract.promises.declarations import Declaration
from builder_contracts.contract.promises.identity import NotRoot
from builder_contracts.contract.promises.privileges import FileCapabilities
from builder_contracts.contract.promises.process import Bounds
from builder_contracts.observe.asked_words import digests
from builder_contracts.teeth.mutant import contrary_bounds, contrary_ranges
from builder_contracts.teeth.operators import mutants_of
from builder_contracts.teeth.trial import Reaction, try_clause
from builder_contracts.verdict import Outcome
from tests.unit.judge.detail_rows import DETAILS
from tests.unit.judge.observed import Row
from tests.unit.judge.test_tables import TABLE
from tests.unit.teeth.clauses import clause_of

ROOT = Path(__file__).parents[3]
EVERY_FIELD = load(ROOT / "docs" / "examples" / "every-field.yaml")
KEPT = [
    pytest.param(row, id=f"{kind}: {row.name}")
    for kind, rows in TABLE.items()
    for row in (*rows, *DETAILS.get(kind, ()))
    if row.outcome is Outcome.KEPT
]


def types_of(union: Any) -> set[type[Any]]:
    inner = get_args(union)
    return set().union(*map(types_of, inner)) if inner else {union}


WITHOUT_MUTANTS = {*types_of(Declaration | ProofPromise | SearchPathRule | SecretPromise), DaemonOwn, NotRoot}
"""Promises whose contrary the contract language cannot say."""


def test_the_example_has_every_type_of_promise() -> None:
    assert {type(clause.promise) for clause in EVERY_FIELD.clauses} == types_of(Promise)


def test_every_other_type_has_mutants() -> None:
    promises = [clause.promise for clause in EVERY_FIELD.clauses] + [FileCapabilities(("/bin/ping",))]
    mutable = {type(promise) for promise in promises if mutants_of(promise)}
    assert mutable == types_of(Promise) - WITHOUT_MUTANTS


def test_a_mutant_differs_and_says_how() -> None:
    for promise in (clause.promise for clause in EVERY_FIELD.clauses):
        mutants = mutants_of(promise)
        assert all(mutant.promise != promise and mutant.change for mutant in mutants)
        assert all(type(mutant.promise) is type(promise) for mutant in mutants)
        assert len({mutant.change for mutant in mutants}) == len(mutants)


@pytest.mark.parametrize("row", KEPT)
def test_no_mutant_of_a_kept_promise_stays_kept(row: Row) -> None:
    facts = replace(row.facts, asked=digests([row.promise]))
    assert try_clause(clause_of(row.promise), facts).stayed_kept == 0


def test_every_type_that_facts_show_can_go_red() -> None:
    red = set()
    for parameters in KEPT:
        (row,) = parameters.values
        assert isinstance(row, Row)
        facts = replace(row.facts, asked=digests([row.promise]))
        if try_clause(clause_of(row.promise), facts).count(Reaction.RED):
            red.add(type(row.promise).__name__)
    assert red == {kind.__name__ for kind in types_of(Promise) - types_of(Declaration | ProofPromise)}


@pytest.mark.parametrize(
    ("text", "contrary"),
    [
        (">=2.24,<3", ["<2.24", ">=3"]),
        (" == 1.2.* ", ["!=1.2.*"]),
        ("~=1.4.2, !=1.4.5", ["<1.4.2", "==1.4.5"]),
        (">1:2.0-1,<=4", ["<=1:2.0-1", ">4"]),
    ],
)
def test_each_bound_of_a_range_is_turned(text: str, contrary: list[str]) -> None:
    assert list(contrary_ranges(text)) == contrary


def test_each_bound_of_a_number_is_turned() -> None:
    turned = [bounds for _, bounds in contrary_bounds(Bounds(1024, 4096))]
    assert turned == [Bounds(None, 1023), Bounds(4097, None)]
    # Without a limit, every least number holds.
    assert not turned[0].holds(None)
