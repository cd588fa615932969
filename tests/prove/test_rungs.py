"""How far a proof reaches: by where it was carried out, and never above that."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.contract.promises import ProofPromise
from builder_contracts.facts.model import RunnerFacts
from builder_contracts.prove.canary.record import CanaryRecord
from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.records import ProofRecords
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.prove.verdicts import ProofContext, judge
from builder_contracts.verdict import Outcome, Rung
from tests.prove.conftest import ROOT

TODAY = datetime(2026, 1, 1, tzinfo=UTC).date()


def runner(kind: str, *, live: bool = False) -> RunnerFacts:
    return RunnerFacts(kind, "", "host", 2, 2**30, live=live)


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
def test_rung_of_a_proof_depends_on_its_runner(
    about: RunnerFacts, rung: Rung, fresh: bool, good: bool
) -> None:
    contract = load(ROOT / "contracts/tinyland-nix.yaml")
    clause = next(
        candidate for candidate in contract.clauses if candidate.local_id == "canaries/flake-builds"
    )
    result = CheckResult(good, "as it was", witnesses=("client: so", "outside: so"))
    records = ProofRecords(canaries={"flake": CanaryRecord("flake", {"builds": result})})
    where = ProofContext("embedded", about, start="ENTRYPOINT and CMD of the image")
    verdict = judge(clause, contract, records, where, today=TODAY)
    assert verdict.rung is rung
    assert verdict.origin.start == "ENTRYPOINT and CMD of the image"
    assert any("on a reused machine" in line for line in verdict.witnesses) is fresh


def test_lost_proof_has_no_rung_and_its_own_reason() -> None:
    contract = load(ROOT / "contracts/tinyland-docker.yaml")
    lost = Unavailable("shown elsewhere", provable_here=False)
    records = ProofRecords(nix=lost, scan=lost)
    for clause in contract.clauses:
        if isinstance(clause.promise, ProofPromise):
            records.canaries = dict.fromkeys(contract.document["canaries"], lost)
            verdict = judge(
                clause, contract, records, ProofContext("theirs", runner("local", live=True)), today=TODAY
            )
            assert (verdict.outcome, verdict.rung) == (Outcome.UNPROVEN, None)
            if clause.kind == "canaries":
                assert (verdict.observation, verdict.provable_here) == ("shown elsewhere", False)
