"""How far a proof reaches: by where it was carried out, and never above that."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from builder_contracts.contract.load import load
from builder_contracts.contract.promises import ProofPromise
from builder_contracts.evidence.verdict import Outcome, Rung
from builder_contracts.facts.model import Runner
from builder_contracts.prove.check_result import Finding
from builder_contracts.prove.judging import Where, judge
from builder_contracts.prove.record_canary import CanaryRecord
from builder_contracts.prove.records import Records
from builder_contracts.prove.unavailable import Lost
from tests.prove.conftest import ROOT

TODAY = datetime(2026, 1, 1, tzinfo=UTC).date()


def runner(kind: str, *, live: bool = False) -> Runner:
    return Runner(kind, "", "host", 2, 2**30, live=live)


@pytest.mark.parametrize(
    ("about", "rung", "fresh"),
    [
        (runner("docker"), Rung.EXERCISED, False),
        (runner("local"), Rung.DECLARED, True),
        (runner("local", live=True), Rung.LIVE, True),
    ],
    ids=["a container", "any machine", "a runner of the class"],
)
@pytest.mark.parametrize("good", [True, False])
def test_rung_of_a_proof_depends_on_its_runner(about: Runner, rung: Rung, fresh: bool, good: bool) -> None:
    contract = load(ROOT / "contracts/tinyland-nix.yaml")
    clause = next(
        candidate for candidate in contract.clauses if candidate.local_id == "canaries/flake-builds"
    )
    result = Finding(good, "as it was", witnesses=("client: so", "outside: so"))
    records = Records(canaries={"flake": CanaryRecord("flake", {"builds": result})})
    verdict = judge(clause, contract, records, Where("embedded", about), today=TODAY)
    assert verdict.rung is rung
    assert any("on a reused machine" in line for line in verdict.witnesses) is fresh


def test_lost_proof_has_no_rung_and_its_own_reason() -> None:
    contract = load(ROOT / "contracts/tinyland-docker.yaml")
    lost = Lost("shown elsewhere", provable_here=False)
    records = Records(nix=lost, scan=lost)
    for clause in contract.clauses:
        if isinstance(clause.promise, ProofPromise):
            records.canaries = dict.fromkeys(contract.document["canaries"], lost)
            verdict = judge(
                clause, contract, records, Where("theirs", runner("local", live=True)), today=TODAY
            )
            assert (verdict.outcome, verdict.rung) == (Outcome.UNPROVEN, None)
            if clause.kind == "canaries":
                assert (verdict.observation, verdict.provable_here) == ("shown elsewhere", False)
