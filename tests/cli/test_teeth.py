"""The command teeth on saved facts: its exit codes, and what is wrong with an input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from builder_contracts.cli import teeth as command
from builder_contracts.contract.loading import load
from builder_contracts.errors import ExitCode
from builder_contracts.facts.json_codec import to_json
from builder_contracts.facts.model import NOT_ASKED, Facts, ToolFacts
from builder_contracts.observe.asked_words import digests
from builder_contracts.teeth.trial import try_clause
from tests.cli.terminal import call
from tests.unit.judge.observed import facts
from tests.unit.teeth.test_trial import keep_everything

CONTRACT = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: NAME, summary: Runs the tests of a project, owner: me}
labels: [NAME]
image: {reference: NAME}
identity: {user: runner, uid: 1001}
toolchain: {frobnicate: absent}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "facts").mkdir()
    for name in ("sample", "second"):
        contract = tmp_path / "contracts" / f"{name}.yaml"
        contract.write_text(CONTRACT.replace("NAME", name), "utf-8")
        save(tmp_path / "facts" / f"{name}.json", seen_of(contract))
    return tmp_path


def seen_of(contract: Path) -> Facts:
    promises = [clause.promise for clause in load(contract).clauses]
    return facts(tools={"frobnicate": ToolFacts(None)}, asked=digests(promises))


def save(file: Path, facts: Facts) -> None:
    file.write_text(to_json(facts), "utf-8")


def test_all_classes_of_a_directory_are_tried(folder: Path) -> None:
    code, output = call("teeth", "--facts", "facts")
    assert code == ExitCode.KEPT
    assert "toolchain/frobnicate  red 1 of 1" in output
    assert "sample: 4 of 5 mutants red, 0 STAYED KEPT" in output
    assert "second: 4 of 5 mutants red, 0 STAYED KEPT" in output


def test_json_has_every_mutant(folder: Path) -> None:
    code, output = call("teeth", "second", "--facts", "facts/second.json", "--format", "json")
    (answer,) = json.loads(output)["classes"]
    assert (code, answer["class"], answer["totals"]["red"]) == (ExitCode.KEPT, "second", 4)
    uid = next(clause for clause in answer["clauses"] if clause["id"] == "second/identity/uid")
    assert uid["mutants"] == [{"change": "another uid", "reaction": "red", "reason": ""}]


def test_a_file_finds_its_class_by_the_image(folder: Path) -> None:
    code, output = call("teeth", "--facts", "facts/sample.json")
    assert (code, "second:" in output) == (ExitCode.KEPT, False)


def test_a_mutant_that_stays_kept_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "try_clause", lambda clause, seen: try_clause(clause, seen, keep_everything))
    code, output = call("teeth", "sample", "--facts", "facts")
    assert code == ExitCode.BROKEN
    assert "another uid: STAYED KEPT" in output


def test_facts_that_keep_nothing_show_nothing(folder: Path) -> None:
    save(folder / "facts" / "sample.json", facts(identity=NOT_ASKED, start=NOT_ASKED, asked=[]))
    code, output = call("teeth", "sample", "--facts", "facts")
    assert code == ExitCode.NOTHING_SELECTED
    assert "0 of 0 mutants red" in output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("nope", "--facts", "facts"), "teeth nope: no contract declares this class"),
        (("--facts", "contracts"), "contracts: no facts of sample here"),
        (("--facts", "contracts/sample.yaml"), "not JSON"),
        (("--facts", "nowhere.json"), "nowhere.json: cannot read: No such file"),
        (("--facts", "facts/old.json"), "facts/old.json: these facts do not say with which words"),
        (("--facts", "facts/other.json"), "which class are these facts of?"),
        (("--format", "xml"), "--format xml"),
    ],
)
def test_bad_input_is_named(folder: Path, arguments: tuple[str, ...], expected: str) -> None:
    seen = seen_of(folder / "contracts" / "sample.yaml")
    save(folder / "facts" / "old.json", replace(seen, asked=NOT_ASKED))
    save(folder / "facts" / "other.json", replace(seen, image=NOT_ASKED))
    code, output = call("teeth", *arguments)
    assert code == ExitCode.BAD_INPUT
    assert expected in output
