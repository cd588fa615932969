"""What assessments, verdicts and plain data carry."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from builder_contracts.contract.model import Clause
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.errors import Location
from builder_contracts.verdict import (
    Assessment,
    Contradiction,
    Measurement,
    Origin,
    Outcome,
    Rung,
    Verdict,
    as_json,
    broken,
    kept,
    unproven,
)

COUNTED: dict[str, Any] = {"inspect": ".a", "checked": 1, "total": 2}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: kept("a", **COUNTED, observed=3), Assessment(Outcome.KEPT, "a", **COUNTED, observed=3)),
        (lambda: kept("a", declared=True), Assessment(Outcome.KEPT, "a", declared=True)),
        (
            lambda: broken("a", "b", **COUNTED, observed=3, fix="c"),
            Assessment(Outcome.BROKEN, "a", "b", **COUNTED, observed=3, fix="c"),
        ),
        (
            lambda: unproven("a", **COUNTED, provable_here=False),
            Assessment(Outcome.UNPROVEN, "a", **COUNTED, provable_here=False),
        ),
    ],
    ids=["kept", "declared", "broken", "unproven"],
)
def test_assessment_carries_what_its_judge_gives(
    make: Callable[[], Assessment], expected: Assessment
) -> None:
    assert make() == expected


def test_verdict_carries_all_of_its_assessment() -> None:
    clause = Clause("sample", "toolchain", "xz", Tool("xz"), Location("sample.yaml", 7))
    measured = (Measurement("boot_seconds", 3),)
    contradiction = Contradiction(Location("x", 1), "a", Location("y", 2), "b", "c", "d")
    assessment = Assessment(
        Outcome.UNPROVEN, "a", provable_here=False, measurements=measured, fix="b", observed="c"
    )
    verdict = Verdict.of(clause, assessment, Origin(), rung=Rung.OBSERVED, contradictions=(contradiction,))
    assert verdict == Verdict(
        "sample/toolchain/xz",
        Outcome.UNPROVEN,
        None,
        "xz on the job's PATH",
        "a",
        Location("sample.yaml", 7),
        fix="b",
        provable_here=False,
        expected=as_json(Tool("xz")),
        observed="c",
        measurements=measured,
        contradictions=(contradiction,),
    )
    assert Verdict.of(clause, assessment, Origin(), rung=None, observed="d").observed == "d"


PLATFORM = Location("platform.yaml", 1)


@dataclass(frozen=True)
class Words:
    """A clause of a platform, which promises in words."""

    id: str = "platform/a/b"
    promise: str = "the name is right"
    source: Location = PLATFORM
    why: str | None = None


def test_a_promise_in_words_has_no_data() -> None:
    verdict = Verdict.of(Words(), kept("a"), Origin(), rung=Rung.DECLARED)
    assert (verdict.promise, verdict.expected) == ("the name is right", None)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Outcome.KEPT, "kept"),
        (re.compile("a+"), "a+"),
        ({"b", "a"}, ["a", "b"]),
        ({"b", 1}, ["b", 1]),
        ((1, None), [1, None]),
        ({1: Outcome.KEPT}, {"1": "kept"}),
        (Measurement("a_count", 1), {"quantity": "a_count", "value": 1, "budget": None}),
        (Measurement, str(Measurement)),
        (1j, "1j"),
        ("\udcff", "\\udcff"),
    ],
)
def test_facts_and_promises_are_plain_data(value: object, plain: object) -> None:
    assert as_json(value) == plain
