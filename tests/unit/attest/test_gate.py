"""The gate: each reason for which evidence is refused, and that it is accepted without one."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from builder_contracts.attest import gate
from builder_contracts.attest.gate import Demand
from builder_contracts.attest.statement import Evidence
from builder_contracts.errors import ExitCode
from builder_contracts.verdict import Outcome, Rung, age_in_words
from tests.unit.attest.evidence_samples import CONTRACT, IMAGE, KEPT_VERDICTS, NOW, STARTED, evidence, verdict

DEMAND = Demand("tinyland-nix", frozenset([IMAGE]), timedelta(hours=26))
OTHER = "sha256:" + "7e" * 32

LIMIT = evidence([*KEPT_VERDICTS, verdict("resources/cpu-limit", Outcome.UNPROVEN)])
WAIVED = evidence([*KEPT_VERDICTS, verdict("toolchain/jq", Outcome.WAIVED)])
BROKEN = evidence([*KEPT_VERDICTS, verdict("toolchain/jq", Outcome.BROKEN)])
DECLARED = evidence([verdict("declarations/labels", rung=Rung.DECLARED)])
LIVE = evidence([KEPT_VERDICTS[0], verdict("toolchain/xz", rung=Rung.LIVE)])


def asked(**changes: Any) -> Demand:
    return dataclasses.replace(DEMAND, **changes)


@pytest.mark.parametrize(
    ("given", "demand"),
    [
        (evidence(), DEMAND),
        (evidence(), asked(max_age=timedelta(hours=3))),
        (evidence(started=NOW + timedelta(seconds=59)), DEMAND),
        (evidence(), asked(contract_digest=CONTRACT)),
        (evidence(digests=frozenset([OTHER, IMAGE])), DEMAND),
        (evidence(), asked(digests=frozenset([OTHER, IMAGE]))),
        (evidence(), asked(rungs=(("", Rung.OBSERVED),))),
        (evidence(), asked(rungs=(("caches/*", Rung.EXERCISED),))),
        (LIVE, asked(rungs=(("", Rung.LIVE),))),
        (DECLARED, asked(rungs=(("", Rung.DECLARED),))),
        (LIMIT, asked(allowed=("resources/cpu-limit",))),
        (LIMIT, asked(allowed=("x", "tinyland-nix/resources/*"))),
        (WAIVED, asked(allowed=("toolchain/jq",))),
    ],
)
def test_enough_evidence_is_accepted(given: Evidence, demand: Demand) -> None:
    assert gate.refusals(given, demand, NOW) == []
    assert gate.exit_code([]) is ExitCode.KEPT


@pytest.mark.parametrize(
    ("given", "demand", "code", "reason"),
    [
        (evidence(), asked(builder="tinyland-dind"), ExitCode.REFUSED, "another class: it is about tinyland-nix"),
        (evidence(), asked(digests=frozenset([OTHER])), ExitCode.REFUSED, "another image: it is about sha256:4f4f"),
        (evidence(), asked(digests=frozenset()), ExitCode.REFUSED, "another image"),
        (evidence(), asked(contract_digest=OTHER), ExitCode.REFUSED, "another version of the contract"),
        (evidence(), asked(max_age=timedelta(hours=2)), ExitCode.REFUSED, "expired: its oldest observation is 3 h 0 min"),
        (evidence(started=STARTED - timedelta(days=2)), DEMAND, ExitCode.REFUSED, "is 2 d 3 h old, and at most 1 d 2 h"),
        (evidence(started=NOW + timedelta(minutes=2)), DEMAND, ExitCode.REFUSED, "from the future"),
        (evidence(promised=4), DEMAND, ExitCode.UNPROVEN, "incomplete: it judges 3 clauses, and the contract has 4"),
        (evidence(promised=0), DEMAND, ExitCode.UNPROVEN, "the contract has an unknown number"),
        (evidence(kept={}), DEMAND, ExitCode.NOTHING_SELECTED, "no clause is kept"),
        (BROKEN, asked(allowed=("*",)), ExitCode.BROKEN, "broken: tinyland-nix/toolchain/jq: seen of toolchain/jq"),
        (LIMIT, DEMAND, ExitCode.UNPROVEN, "unproven: tinyland-nix/resources/cpu-limit"),
        (LIMIT, asked(allowed=("cpu-limit",)), ExitCode.UNPROVEN, "unproven: tinyland-nix/resources/cpu-limit"),
        (WAIVED, DEMAND, ExitCode.BROKEN, "broken with a waiver: tinyland-nix/toolchain/jq"),
        (evidence(), asked(rungs=(("", Rung.EXERCISED),)), ExitCode.UNPROVEN, "1 of 2 clauses are lower, down to C1"),
        (DECLARED, asked(rungs=(("", Rung.OBSERVED),)), ExitCode.UNPROVEN, "1 of 1 clauses are lower, down to C0"),
        (evidence(), asked(rungs=(("*", Rung.OBSERVED),)), ExitCode.UNPROVEN, "1 of 3 clauses are lower, down to C0"),
        (evidence(), asked(rungs=(("canaries/*", Rung.OBSERVED),)), ExitCode.UNPROVEN, "no kept clause matches"),
    ],
)  # fmt: skip
def test_weak_or_foreign_evidence_is_refused(
    given: Evidence, demand: Demand, code: ExitCode, reason: str
) -> None:
    (refusal,) = gate.refusals(given, demand, NOW)
    assert reason in refusal.reason
    assert refusal.fix
    assert gate.exit_code([refusal]) is code


def test_what_cannot_be_believed_outweighs_what_it_says() -> None:
    reasons = gate.refusals(BROKEN, asked(max_age=timedelta(hours=1)), NOW)
    assert [refusal.code for refusal in reasons] == [ExitCode.REFUSED, ExitCode.BROKEN]
    assert gate.exit_code(reasons) is ExitCode.REFUSED


def test_broken_outweighs_unproven() -> None:
    reasons = gate.refusals(dataclasses.replace(BROKEN, unproven=LIMIT.unproven, promised=5), DEMAND, NOW)
    assert gate.exit_code(reasons[::-1]) is ExitCode.BROKEN


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(hours=23, minutes=59), "23 h 59 min"),
        (timedelta(days=3, hours=4), "3 d 4 h"),
    ],
)
def test_age_is_told_in_two_units(age: timedelta, words: str) -> None:
    assert age_in_words(age) == words
