"""Whatever ends one experiment leaves the others alone, and its clauses say why they are unproven."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.contract.promises import ProofPromise
from builder_contracts.prove.publication import experiment as publication
from builder_contracts.prove.records import PublishAttempt
from builder_contracts.prove.schedule import ExperimentSchedule
from builder_contracts.prove.verdicts import find
from builder_contracts.verdict import Outcome
from tests.prove.conftest import GIVEN, ROOT, machine_bench

MISTAKEN, RIGHT = "nix", "registry"


def test_a_mistake_of_the_harness_is_unproven_where_it_happened_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def proved(_: object, target: str, __: object) -> Mapping[str, Any]:
        if target == MISTAKEN:
            raise KeyError(GIVEN.writer.secret)
        return {name: PublishAttempt(name, {"push": "OK"}, {}, {}) for name in publication.IDENTITIES}

    monkeypatch.setattr(publication, "prove", proved)
    contract = load(ROOT / "contracts/tinyland-docker.yaml")
    wanted = [
        clause
        for clause in contract.clauses
        if clause.local_id.startswith((f"publication/{MISTAKEN}-", f"publication/{RIGHT}-"))
    ]
    bench = machine_bench(tmp_path, **{role: f"https://{role}.example" for role in (MISTAKEN, RIGHT)})
    records = ExperimentSchedule(contract, wanted, bench, {}).carry_out()
    found = {
        clause.local_id: find(clause.promise, records)[0]
        for clause in wanted
        if isinstance(clause.promise, ProofPromise)
    }
    lost = {name: finding for name, finding in found.items() if f"/{MISTAKEN}-" in name}
    assert 0 < len(lost) < len(found)
    for finding in lost.values():
        assert (finding.outcome, finding.here) == (Outcome.UNPROVEN, True)
        assert "builder-contracts itself failed (KeyError: '" in finding.seen
        assert "test_experiments.py:" in finding.seen
        assert "please report it" in finding.seen
        assert GIVEN.writer.secret not in finding.seen
    assert not any("itself failed" in finding.seen for name, finding in found.items() if name not in lost)
