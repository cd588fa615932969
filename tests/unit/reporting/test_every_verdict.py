"""Every verdict of proofs and of a checkout is valid against the published schema, and survives its data."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.contract.promises import ProofPromise
from builder_contracts.prove.records import ProofRecords
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.prove.verdicts import ProofContext
from builder_contracts.prove.verdicts import judge as judge_proof
from builder_contracts.truth.session import load as load_platform
from builder_contracts.truth.session import verdicts_of
from builder_contracts.truth.verdicts import judge as judge_checkout
from tests.unit.reporting.published import assert_published

ROOT = Path(__file__).parents[3]
TODAY = date(2026, 3, 15)


@pytest.mark.parametrize("name", ["tinyland-nix", "tinyland-docker", "tinyland-dind"])
def test_verdicts_on_proofs(name: str) -> None:
    contract = load(ROOT / f"contracts/{name}.yaml")
    lost = Unavailable("no engine")
    promises = [clause for clause in contract.clauses if isinstance(clause.promise, ProofPromise)]
    assert promises
    for clause in promises:
        assert_published(
            judge_proof(
                clause, contract, ProofRecords(nix=lost, scan=lost), ProofContext("embedded"), today=TODAY
            )
        )


def test_verdicts_on_a_checkout() -> None:
    judgement = judge_checkout(ROOT, *load_platform(ROOT / "contracts"))
    verdicts = list(verdicts_of(judgement))
    assert len(verdicts) > 50
    for verdict in verdicts:
        assert_published(verdict)
