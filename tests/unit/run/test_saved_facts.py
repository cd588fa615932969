"""A run on saved facts: what they decide, what they cannot decide, and how old they are."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load as load_contract
from builder_contracts.contract.model import Contract
from builder_contracts.facts.json_codec import to_json
from builder_contracts.facts.model import Facts, ResourceFacts, ToolFacts
from builder_contracts.observe.asked_words import digests
from builder_contracts.run.saved_facts import SavedRun, load
from builder_contracts.run.selection import Selected
from builder_contracts.verdict import Outcome
from tests.cli.terminal import call
from tests.unit.judge.observed import GIB, POD, facts

CONTRACT = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: sample, summary: Runs the tests of a project, owner: me}
labels: [sample]
image: {reference: sample}
identity: {user: runner, uid: 1001}
"""
TOOLS = "toolchain: {frobnicate: absent}"
NOW = datetime(2026, 3, 12, 5, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "facts").mkdir()
    save(tmp_path, seen_of(contract(tmp_path)))
    return tmp_path


def contract(folder: Path, more: str = "") -> Contract:
    path = folder / "contracts" / "sample.yaml"
    path.write_text(f"{CONTRACT}{more or TOOLS}\n")
    return load_contract(path)


def seen_of(contract: Contract, taken: str = "2026-03-12T02:00:00Z") -> Facts:
    asked = digests([clause.promise for clause in contract.clauses])
    return facts(tools={"frobnicate": ToolFacts(None)}, asked=asked, taken=taken)


def save(folder: Path, facts: Facts) -> None:
    (folder / "facts" / "sample.json").write_text(to_json(facts))


def run(contract: Contract, facts: Facts, max_age: timedelta | None = None) -> SavedRun:
    return SavedRun({"sample": facts}, [Selected(contract, contract.clauses)], max_age=max_age, now=NOW)


def outcomes(saved: SavedRun) -> dict[str, tuple[Outcome, str]]:
    return {verdict.local_id: (verdict.outcome, verdict.observation) for verdict in saved.verdicts()}


def test_facts_of_this_contract_decide_as_a_run_does(folder: Path) -> None:
    saved = run(contract(folder), seen_of(contract(folder)))
    assert {verdict.outcome for verdict in saved.verdicts()} == {Outcome.KEPT}
    assert saved.notes == ("sample: judged on facts that are 3 h 0 min old",)


def test_one_observation_of_several_classes_is_read_once(folder: Path) -> None:
    judged = contract(folder)
    save(folder, seen_of(judged))
    (folder / "facts" / "same.json").hardlink_to(folder / "facts" / "sample.json")
    (folder / "facts" / "other.json").write_text(to_json(seen_of(judged, "2026-03-12T03:00:00Z")))
    classes = [dataclasses.replace(judged, name=name) for name in ("sample", "same", "other")]
    seen = load(folder / "facts", classes)
    assert seen["same"] is seen["sample"]
    assert [seen[name].taken[11:13] for name in ("sample", "other")] == ["02", "03"]


def test_verdict_has_the_time_of_the_facts(folder: Path) -> None:
    verdicts = run(contract(folder), seen_of(contract(folder))).verdicts()
    assert {verdict.origin.started for verdict in verdicts} == {"2026-03-12T02:00:00Z"}


@pytest.mark.parametrize(
    ("more", "clause", "reason"),
    [
        ("toolchain: {zig: absent}", "toolchain/zig", "not part of this observation"),
        ("toolchain: {git: {version: '>=2'}}", "toolchain/git", "answers to other words"),
        ("resources: {memory: {limit: 3Gi}}", "resources/memory-limit", "set it by another contract"),
        ("publication: {nix: never}", "publication/nix-anonymous", "no record of a proof"),
    ],
)
def test_clause_that_facts_cannot_decide_is_unproven(
    folder: Path, more: str, clause: str, reason: str
) -> None:
    earlier = dataclasses.replace(seen_of(contract(folder)), resources=ResourceFacts(memory=4 * GIB))
    outcome, observation = outcomes(run(contract(folder, more), earlier))[clause]
    assert (outcome, reason in observation) == (Outcome.UNPROVEN, True), observation


def test_false_promise_is_broken_on_saved_facts(folder: Path) -> None:
    seen = dataclasses.replace(seen_of(contract(folder)), tools={"frobnicate": ToolFacts("/bin/frobnicate")})
    assert outcomes(run(contract(folder), seen))["toolchain/frobnicate"][0] is Outcome.BROKEN


def test_setting_of_a_real_runner_is_broken(folder: Path) -> None:
    seen = dataclasses.replace(seen_of(contract(folder)), runner=POD, resources=ResourceFacts(memory=4 * GIB))
    memory = outcomes(run(contract(folder, "resources: {memory: {limit: 3Gi}}"), seen))
    assert memory["resources/memory-limit"][0] is Outcome.BROKEN


@pytest.mark.parametrize(
    ("taken", "age"),
    [
        ("2026-03-12T02:00:00Z", "3 h 0 min old"),
        ("2026-03-12T06:00:00Z", "from the future (2026-03-12T06:00:00Z)"),
        ("", "of unknown age"),
        ("yesterday", "of unknown age"),
    ],
)
def test_nothing_is_shown_by_facts_of_a_wrong_age(folder: Path, taken: str, age: str) -> None:
    judged = contract(folder)
    saved = run(judged, seen_of(judged, taken), timedelta(hours=2))
    seen = outcomes(saved)
    assert seen["labels/sample"][0] is Outcome.KEPT, "declared, whatever the age"
    reason = f"the facts are {age}, and at most 2 h 0 min are accepted; save them again"
    assert {seen[clause] for clause in seen if clause != "labels/sample"} == {(Outcome.UNPROVEN, reason)}
    assert saved.notes == (f"sample: judged on facts that are {age}",)


def test_age_up_to_the_limit_is_accepted(folder: Path) -> None:
    saved = run(contract(folder), seen_of(contract(folder)), timedelta(hours=3))
    assert {outcome for outcome, _ in outcomes(saved).values()} == {Outcome.KEPT}


@pytest.mark.parametrize("path", ["facts", "facts/sample.json"])
def test_check_judges_saved_facts_and_says_their_age(folder: Path, path: str) -> None:
    code, output = call("check", "--facts", path)
    assert (code, "sample: judged on facts that are " in output, "5 kept" in output) == (0, True, True), (
        output
    )


def test_what_a_run_saves_is_judged_again(folder: Path) -> None:
    contract(folder, f"{TOOLS}\npublication: {{nix: never}}")
    first = call("check", "--runner", "local", "--save", "seen")
    assert {path.name for path in (folder / "seen").iterdir()} == {"sample.json", "sample.proofs.json"}
    code, output = call("check", "--facts", "seen")
    lines = output.splitlines(keepends=True)
    assert (code, "".join(line for line in lines if "judged on" not in line)) == first
    assert "sample: judged on proofs that are " in output


@pytest.mark.parametrize("arguments", [["--facts", "facts"], ["--runner", "local", "--runner", "docker"]])
def test_only_one_runner_is_saved(folder: Path, arguments: list[str]) -> None:
    code, error = call("check", "--save", "seen", *arguments)
    assert (code, "save what one runner shows" in error) == (3, True), error


def test_folder_that_cannot_be_made_is_bad_input(folder: Path) -> None:
    code, error = call("check", "--save", "facts/sample.json")
    assert (code, "--save: cannot make" in error) == (3, True), error


def test_check_on_facts_that_are_too_old_is_unproven(folder: Path) -> None:
    code, output = call("check", "--facts", "facts", "--max-age", "26h")
    assert (code, "at most 1 d 2 h are accepted" in output) == (2, True), output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-age", "26h"], "--max-age without --facts"),
        (["--facts", "facts", "--max-age", "soon"], "'soon' is not an age such as 90m, 26h or 7d"),
        (["--facts", "contracts"], "no facts of sample here"),
        (["--facts", "absent.json"], "absent.json: cannot read"),
    ],
)
def test_facts_that_cannot_be_used_are_bad_input(folder: Path, arguments: list[str], message: str) -> None:
    code, error = call("check", *arguments)
    assert (code, message in error) == (3, True), error
