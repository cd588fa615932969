"""Records of proofs in a file: read back as they were, judged as they were, and only for the clauses they are about."""

from __future__ import annotations

import dataclasses
import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder_contracts.contract.loading import load
from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises import ProofPromise
from builder_contracts.errors import InputError
from builder_contracts.facts.model import RunnerFacts
from builder_contracts.facts.typed_json import from_plain
from builder_contracts.prove.canary.record import CanaryRecord
from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.nix.record import NixRecord
from builder_contracts.prove.publish_attempt import PublishAttempt
from builder_contracts.prove.records import ProofRecords
from builder_contracts.prove.saved_proofs import SavedProofs, digests, load_proofs, to_json
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.prove.verdicts import ProofContext, judge
from builder_contracts.redaction import learn_secrets
from builder_contracts.run.saved_facts import SavedRun
from builder_contracts.run.selection import Selected
from builder_contracts.verdict import Measurement, Outcome, as_json
from tests.prove import example_records
from tests.prove.conftest import ROOT
from tests.prove.test_verdicts import records
from tests.unit.judge.observed import facts

HOST = RunnerFacts("docker", "Docker Engine 26.1", "Debian 12", 4, 1 << 34)
WHERE = ProofContext("embedded", HOST, started="2026-03-12T02:00:00+00:00", seconds=61.5)
DAY = date(2026, 3, 12)


RUN = as_json(example_records.nix())


def proved(contract: Contract) -> Selected:
    return Selected(contract, tuple(c for c in contract.clauses if isinstance(c.promise, ProofPromise)))


NIX = proved(load(ROOT / "contracts/tinyland-nix.yaml"))
SAVED = SavedProofs(records(), WHERE, digests(NIX.clauses, NIX.contract))


def built(kind: Any, **fields: Any) -> st.SearchStrategy[Any]:
    """Any value of that kind, in which these fields are as given."""
    return st.builds(kind, **{field.name: ... for field in dataclasses.fields(kind)} | fields)


LOST = st.from_type(Unavailable)
NUMBERS = st.floats(allow_nan=False)
MEASURES = st.lists(built(Measurement, value=NUMBERS, budget=st.none() | NUMBERS), max_size=1).map(tuple)
RESULTS = st.dictionaries(st.text(), LOST | built(CheckResult, measures=MEASURES), max_size=2)
PRINTED = st.dictionaries(st.text(), st.none() | st.booleans() | st.text() | st.lists(st.text()), max_size=2)
RECORDS = built(
    ProofRecords,
    nix=st.none() | LOST | built(NixRecord, info=PRINTED),
    canaries=st.dictionaries(st.text(), LOST | built(CanaryRecord, results=RESULTS), max_size=2),
    seconds=NUMBERS,
)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=10)
@given(RECORDS)
def test_every_record_comes_back_as_it_was(records: ProofRecords) -> None:
    saved = dataclasses.replace(SAVED, records=records)
    data = json.loads(json.dumps(as_json(saved)))
    assert from_plain(data, SavedProofs, "sample.proofs.json", "proofs", "") == saved


def test_saved_records_get_the_same_verdicts(tmp_path: Path) -> None:
    file = tmp_path / "sample.proofs.json"
    file.write_text(to_json(SAVED))
    read = load_proofs(file)
    assert read == SAVED
    for clause in NIX.clauses:
        before, after = (
            judge(clause, NIX.contract, proofs.records, proofs.where, today=DAY) for proofs in (SAVED, read)
        )
        assert (after, after.outcome) == (before, Outcome.KEPT)


def test_file_holds_no_secret() -> None:
    learn_secrets("writers-long-secret")
    attempt = PublishAttempt("writer", {"put": "401 writers-long-secret"}, {}, {})
    text = to_json(dataclasses.replace(SAVED, records=ProofRecords(attempts={"nix": {"writer": attempt}})))
    assert ("writers-long-secret" in text, "401 (redacted)" in text) == (False, True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "builder-contracts/proofs/v9"}, "not proofs: the field 'schema' is not builder-contracts/proofs/v1"),
        ({"asked": "all"}, 'corrupt: .asked is "all", expected a list'),
        ({"records": {"state": {"reason": "x"}}}, "corrupt: .records.state has unknown field 'reason'"),
        ({"records": {"attempts": {"nix": []}}}, "corrupt: .records.attempts.nix is a list, expected a mapping"),
        ({"records": {"nix": RUN | {"closure": [["x"]]}}}, "corrupt: .records.nix.closure[0] is a list, expected text"),
        ({"records": {"nix": RUN | {"attempts": {"good": {"status": 0, "log": {"queries": [["x"]]}}}}}},
         "corrupt: .records.nix.attempts.good.log.queries[0] has 1 items, expected 2"),
        ({"records": {"bazel": []}}, "corrupt: .records.bazel is a list, expected a mapping"),
    ],
)  # fmt: skip
def test_damaged_file_is_bad_input(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = tmp_path / "sample.proofs.json"
    file.write_text(json.dumps(json.loads(to_json(SAVED)) | changes))
    with pytest.raises(InputError, match=r"sample\.proofs\.json") as error:
        load_proofs(file)
    assert message in str(error.value)


def judged(selected: Selected, proofs: SavedProofs) -> dict[str, Outcome]:
    name = selected.contract.name
    run = SavedRun({name: facts()}, [selected], proofs={name: proofs})
    return {verdict.local_id: verdict.outcome for verdict in run.verdicts()}


def test_proofs_decide_only_what_they_were_made_for(tmp_path: Path) -> None:
    for folder in ("contracts", "canaries"):
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True)
    contract = tmp_path / "contracts/tinyland-nix.yaml"
    assert {*judged(proved(load(contract)), SAVED).values()} == {Outcome.KEPT}
    (tmp_path / "canaries/flake/flake.nix").write_text("another workload")
    outcomes = judged(proved(load(contract)), SAVED)
    changed = {clause for clause, outcome in outcomes.items() if outcome is Outcome.UNPROVEN}
    assert changed == {clause for clause in outcomes if clause.startswith("canaries/flake")} != set()


def test_record_that_is_not_there_proves_nothing() -> None:
    outcomes = judged(NIX, dataclasses.replace(SAVED, records=ProofRecords()))
    assert {*outcomes.values()} == {Outcome.UNPROVEN}
