"""Whatever ends one experiment leaves the others alone, and its clauses say why they are unproven."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.contract.promises import ProofPromise
from builder_contracts.prove.publication import experiment as publication
from builder_contracts.prove.publish_attempt import IDENTITIES, PublishAttempt
from builder_contracts.prove.schedule import ExperimentSchedule
from builder_contracts.prove.verdicts import find
from builder_contracts.verdict import Outcome
from tests.prove.conftest import GIVEN, ROOT, machine_bench

MISTAKEN, RIGHT = "nix", "registry"


def test_internal_error_is_unproven_only_in_its_own_clauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def proved(_: object, target: str, __: object) -> Mapping[str, Any]:
        if target == MISTAKEN:
            raise KeyError(GIVEN.writer.secret)
        return {name: PublishAttempt(name, {"push": "OK"}, {}, {}) for name in IDENTITIES}

    monkeypatch.setattr(publication, "prove", proved)
    contract = load(ROOT / "contracts/tinyland-docker.yaml")
    clauses = [
        clause
        for clause in contract.clauses
        if clause.local_id.startswith((f"publication/{MISTAKEN}-", f"publication/{RIGHT}-"))
    ]
    bench = machine_bench(tmp_path, **{role: f"https://{role}.example" for role in (MISTAKEN, RIGHT)})
    records = ExperimentSchedule(contract, clauses, bench, {}).carry_out()
    assessments = {
        clause.local_id: find(clause.promise, records)[0]
        for clause in clauses
        if isinstance(clause.promise, ProofPromise)
    }
    lost = {name: finding for name, finding in assessments.items() if f"/{MISTAKEN}-" in name}
    assert 0 < len(lost) < len(assessments)
    for finding in lost.values():
        assert (finding.outcome, finding.provable_here) == (Outcome.UNPROVEN, True)
        assert "internal error (KeyError: '" in finding.observation
        assert "test_experiments.py:" in finding.observation
        assert "please report it" in finding.observation
        assert GIVEN.writer.secret not in finding.observation
    assert not any(
        "internal error" in finding.observation for name, finding in assessments.items() if name not in lost
    )
