"""What was seen in real pods, and the table of what pods can show, which the judges make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builder_contracts.contract.loading import load
from docs import as_deployed, generate, vantages

CONTRACTS = Path(__file__).parents[2] / "contracts"
COLUMNS = {"docker": "docker", "kubernetes": "pod"}


def verdict(clause: str, runner: str, outcome: str, rung: str | None, **more: Any) -> dict[str, Any]:
    about = {"engine": f"an engine of {runner}", "set_by_run": False, "observation": "seen", "cause": ""}
    return {"clause": clause, "runner": runner, "outcome": outcome, "rung": rung, **about, **more}


def test_evidence_is_what_differs_with_its_reason() -> None:
    verdicts = [
        verdict("tiny/identity/uid", "docker", "kept", "C1"),
        verdict("tiny/identity/uid", "kubernetes", "kept", "C1"),
        verdict("tiny/image/size", "docker", "kept", "C1"),
        verdict("tiny/image/size", "kubernetes", "unproven", None, observation="no size"),
        verdict("tiny/isolation/seccomp", "docker", "kept", "C0", set_by_run=True),
        verdict(
            "tiny/isolation/seccomp", "kubernetes", "broken", "C1", observation="no filter", cause="template"
        ),
    ]

    assert as_deployed.evidence({"started": "2026-03-15T00:00:00+00:00", "verdicts": verdicts}) == {
        "date": "2026-03-15",
        "places": {"docker": "an engine of docker", "kubernetes": "an engine of kubernetes"},
        "clauses": 3,
        "differing": [
            {"clause": "tiny/image/size", "docker": "kept C1", "kubernetes": "unproven", "why": "no size"},
            {
                "clause": "tiny/isolation/seccomp",
                "docker": "kept C0, set by the run",
                "kubernetes": "broken",
                "why": "no filter; template",
            },
        ],
    }


@pytest.mark.parametrize("vantage", as_deployed.VANTAGES)
def test_real_answers_agree_with_the_table_of_rungs(vantage: str) -> None:
    example = load(generate.EXAMPLE)
    kinds = {clause.local_id: type(clause.promise) for clause in example.clauses}
    shown = {kinds[name]: cells[COLUMNS[vantage]].cell for name, cells in vantages.table(example).items()}
    contracts = {path.stem: load(path) for path in CONTRACTS.glob("*.yaml")}
    differing = as_deployed.saved()["differing"]
    assert differing

    for row in differing:
        builder, _, local_id = row["clause"].partition("/")
        clause = contracts[builder].clause(local_id)
        assert clause is not None, f"{row['clause']} is no more: run script/vantages"
        cell = shown[type(clause.promise)]
        if row[vantage].startswith("kept"):
            assert row[vantage] == f"kept {cell.removesuffix(' in part')}", row["clause"]
        elif row[vantage] == "unproven":
            assert cell == vantages.NOTHING or cell.endswith("in part"), row["clause"]
