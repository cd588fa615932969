"""The table of what other tools ask: each field that it names exists, and each gap has a reason."""

from __future__ import annotations

import pytest

from builder_contracts.contract import schemas
from docs import generate

PLACES = {".".join(field.place) for field in generate.fields("builder-class", schemas.load("builder-class"))}
ROWS = [
    pytest.param(row, id=f"{peer}: {row['asks']}")
    for peer, rows in generate.peer_questions().items()
    for row in rows
]


def missing(promises: list[str]) -> list[str]:
    return [promise for promise in promises if promise not in PLACES]


@pytest.mark.parametrize("row", ROWS)
def test_named_promises_exist_and_gaps_have_a_reason(row: dict[str, object]) -> None:
    assert row.keys() <= {"asks", "promises", "note"}
    promises = row.get("promises", [])
    assert isinstance(promises, list)
    assert missing(promises) == []
    assert promises or row.get("note")


def test_field_that_does_not_exist_is_reported() -> None:
    assert missing(["packages.*.version", "packages.*.vendor"]) == ["packages.*.vendor"]
