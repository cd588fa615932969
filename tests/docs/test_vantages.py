"""The table of what each runner can show, held against what is known of the runners."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.facts.model import NOT_ASKED, ResourceFacts
from builder_contracts.verdict import Outcome
from docs import generate, vantages
from tests.unit.judge.observed import IMAGE, NOT_HERE, facts

PAGE = Path(__file__).parents[2] / "docs" / "runners.md"


@pytest.fixture(scope="module")
def table() -> dict[str, dict[str, vantages.Shown]]:
    return vantages.table(load(generate.EXAMPLE))


def test_every_kind_of_promise_can_be_shown_somewhere(table: dict[str, dict[str, vantages.Shown]]) -> None:
    """A kind without an example that is kept, or that no runner can show, would be a row of hyphens."""
    assert [name for name, shown in table.items() if not any(item.rung for item in shown.values())] == []


def test_nothing_is_broken_only_because_it_is_hidden(table: dict[str, dict[str, vantages.Shown]]) -> None:
    verdicts = [verdict for shown in table.values() for item in shown.values() for verdict in item.verdicts]
    assert {verdict.outcome for verdict in verdicts} == {Outcome.KEPT, Outcome.UNPROVEN}
    assert not [
        verdict.clause
        for verdict in verdicts
        if verdict.outcome is Outcome.UNPROVEN and verdict.provable_here
    ]


@pytest.mark.parametrize(
    ("clause", "cells"),
    [
        ("labels/every-field", ("C0", "C0", "C0", "C0", "C0", "C0")),
        ("identity/uid", ("C1", "C0", "C3", "C0", "C1", "C3")),
        ("isolation/seccomp", ("C0, set by the run", "C0", "C3", "C0", "C1", "C3")),
        ("image/size", ("C1", "-", "-", "-", "-", "-")),
        ("pod/host-paths", ("-", "-", "-", "-", "C1", "C3")),
        ("canaries/flake-builds", ("C2", "C0", "C3", "-", "-", "-")),
    ],
)  # fmt: skip
def test_rungs_are_those_of_the_architecture(
    table: dict[str, dict[str, vantages.Shown]], clause: str, cells: tuple[str, ...]
) -> None:
    assert tuple(item.cell for item in table[clause].values()) == cells


def test_only_what_is_never_seen_is_hidden() -> None:
    seen = facts(resources=ResourceFacts(pids=9))
    blind = facts(image=NOT_HERE, resources=NOT_ASKED)
    assert NOT_ASKED.provable_here
    assert vantages.without(seen, blind).image is NOT_HERE
    assert vantages.without(seen, blind).resources == ResourceFacts(pids=9)
    assert vantages.without(seen, facts()).image == IMAGE


def test_page_says_why_something_is_not_shown() -> None:
    text = PAGE.read_text("utf-8")
    assert "- pod, pod of the scale set: *unproven: nothing is proved in pods" in text
