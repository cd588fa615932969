"""``check`` and ``pytest -m contract`` are two faces of one run: the same verdicts, codes and order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from builder_contracts.cli import group
from builder_contracts.contract import document, loading, validity
from builder_contracts.contract.document import Document
from builder_contracts.errors import ExitCode
from tests.cli.terminal import COMMAND
from tests.plugin.conftest import NO_ENGINE, OTHER, SAMPLE

BASE = "apiVersion: builder-contracts/v1\nkind: BuilderBase\ntoolchain: {sh: present}\n"


@dataclass(frozen=True)
class Ended:
    """How a face ended, and what it said."""

    status: int
    text: str


def run(face: str, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Ended:
    command = COMMAND if face == "check" else (sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider")
    given = ("check", *arguments) if face == "check" else ("-m", "contract", *arguments)
    completed = subprocess.run(
        [*command, *given], cwd=cwd, env={**os.environ, **(env or {})},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return Ended(completed.returncode, completed.stdout + completed.stderr)


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "evidence.jsonl").read_text().splitlines()]


faces = pytest.mark.parametrize("face", ["check", "pytest"])
LOCAL = ("--runner", "local", "--contracts", "contracts")


def test_both_faces_give_the_same_verdicts(folder: Path) -> None:
    seen = []
    for face in ("check", "pytest"):
        run(face, *LOCAL, "--evidence", face, cwd=folder)
        fields = ("clause", "outcome", "promise", "observation", "cause", "inspect", "location", "rung")
        seen.append([tuple(str(record[field]) for field in fields) for record in records(folder / face)])
    assert len(seen[0]) == 10
    assert sorted(seen[0]) == sorted(seen[1])
    # Within a class they come in the order of its contract.
    for rows in seen:
        clauses = [row[0] for row in rows if row[0].startswith("here/")]
        assert clauses[:3] == ["here/labels/here", "here/image/reference", "here/identity/shell"]


@faces
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([*LOCAL, "-k", "labels"], ExitCode.KEPT),
        ([*LOCAL], ExitCode.BROKEN),
        ([*LOCAL, "-x"], ExitCode.BROKEN),
        ([*LOCAL, "-k", "localhost"], ExitCode.UNPROVEN),
        ([*LOCAL, "-k", "reference"], ExitCode.NOTHING_SELECTED),
        ([*LOCAL, "-k", "nothing"], ExitCode.NOTHING_SELECTED),
        ([*LOCAL, "--builder", "hre"], ExitCode.BAD_INPUT),
        ([*LOCAL, "--environment", "nope"], ExitCode.BAD_INPUT),
        (["--contracts", "nowhere"], ExitCode.BAD_INPUT),
        (["--contracts", "bin"], ExitCode.BAD_INPUT),
        (["--contracts", "contracts", "--runner", "shh"], ExitCode.BAD_INPUT),
        (["--contracts", "contracts", "--report", "jsn"], ExitCode.BAD_INPUT),
        (["--contracts", "contracts"], ExitCode.CANNOT_RUN),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_both_faces_end_with_the_codes_of_one_table(
    folder: Path, face: str, arguments: list[str], code: ExitCode
) -> None:
    ended = run(face, *arguments, cwd=folder)
    assert ended.status == code, ended.text
    assert "Traceback" not in ended.text
    assert "INTERNALERROR" not in ended.text


@faces
def test_unreadable_contract_is_bad_input(folder: Path, face: str) -> None:
    (folder / "contracts" / "here.yaml").write_text(SAMPLE.replace("toolchain:", "toolchian:"))
    ended = run(face, *LOCAL, cwd=folder)
    assert ended.status == ExitCode.BAD_INPUT
    assert 'contracts/here.yaml:7: unknown field "toolchian"' in ended.text


@faces
def test_empty_selection_says_what_was_deselected(folder: Path, face: str) -> None:
    ended = run(face, *LOCAL, "-k", "nothing", cwd=folder)
    assert "no clause selected: -k 'nothing' deselected all 10 clauses" in ended.text


def test_settings_for_pytest_do_not_change_check(folder: Path) -> None:
    """Nothing of a pytest project around, nor of PYTEST_ADDOPTS, decides about a runner."""
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (folder / "conftest.py").write_text("raise SystemExit('not ours')\n")
    for options in ("-k labels", "--no-such-option", "--collect-only"):
        ended = run("check", *LOCAL, cwd=folder, env={"PYTEST_ADDOPTS": options, "PYTEST_PLUGINS": "nope"})
        assert ended.status == ExitCode.BROKEN
        assert "3 kept (3 declared)   1 broken" in ended.text


@pytest.mark.parametrize("name", ["HOME", "TMPDIR", "LC_ALL", "LANG", "TERM", "COLUMNS", "XDG_CACHE_HOME"])
def test_environment_of_the_operator_changes_no_verdict(folder: Path, name: str) -> None:
    (folder / "empty").mkdir()
    run("check", *LOCAL, "--evidence", "plain", cwd=folder)
    run("check", *LOCAL, "--evidence", "changed", cwd=folder, env={name: str(folder / "empty")})
    plain, changed = (
        [(record["clause"], record["outcome"]) for record in records(folder / name)]
        for name in ("plain", "changed")
    )
    assert sorted(plain) == sorted(changed)


@faces
def test_cause_stands_before_its_consequences(folder: Path, face: str) -> None:
    """An image that is missing is broken; what could not be asked of it follows."""
    ended = run(face, "--contracts", "contracts/here.yaml", cwd=folder)
    text = ended.text
    assert text.index(NO_ENGINE) > 0
    assert "ERROR at setup" not in text
    assert text.count("UNPROVEN") == 1


@faces
def test_broken_cause_is_shown_before_what_it_left_unproven(folder: Path, face: str) -> None:
    ended = run(face, *LOCAL, cwd=folder)
    assert ended.text.index("no-such-tool  BROKEN") < ended.text.index("localhost  UNPROVEN")


@faces
def test_contract_in_json_is_read(folder: Path, face: str) -> None:
    for file in (folder / "contracts").iterdir():
        file.unlink()
    data = {
        "apiVersion": "builder-contracts/v1", "kind": "BuilderClass",
        "metadata": {"name": "json", "summary": "A contract in JSON", "owner": "nobody"},
        "labels": ["json"], "image": {"reference": "json"}, "toolchain": {"sh": "present"},
    }  # fmt: skip
    (folder / "contracts" / "json.json").write_text(json.dumps(data))
    ended = run(face, *LOCAL, cwd=folder)
    assert ended.status == ExitCode.KEPT, ended.text
    assert "2 kept" in ended.text


@faces
def test_empty_contract_names_itself(folder: Path, face: str) -> None:
    (folder / "contracts" / "begun.yaml").write_text("")
    ended = run(face, *LOCAL, cwd=folder)
    assert ended.status == ExitCode.BAD_INPUT
    assert "contracts/begun.yaml: file is empty" in ended.text


@faces
def test_messages_name_the_image_that_was_asked_for(folder: Path, face: str) -> None:
    ended = run(
        face,
        "--contracts",
        "contracts/there.yaml",
        "--image",
        "there=other:2",
        "--evidence",
        "out",
        cwd=folder,
    )
    assert ended.status == ExitCode.CANNOT_RUN
    assert not any(
        "the image there" in str(record) or "--image there" in str(record)
        for record in records(folder / "out")
    )


def in_process(face: str, cwd: Path, pytester: pytest.Pytester, *arguments: str) -> int:
    if face == "check":
        result = CliRunner().invoke(group, ["check", *arguments])
        assert "no-such-tool  BROKEN" in result.output, result.exception
        return result.exit_code
    return int(pytester.runpytest_inprocess("-m", "contract", *arguments).ret)


@faces
def test_each_input_is_read_and_checked_once(
    face: str, folder: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contracts, a base that two of them share, and the environment."""
    environments = folder / "contracts" / "environments"
    environments.mkdir()
    (environments / "embedded.yaml").write_text(
        "apiVersion: builder-contracts/v1\nkind: Environment\nmetadata: {name: own, summary: A place of my own}\n"
    )
    (folder / "contracts" / "base.yaml").write_text(BASE)
    for name, text in (("here", SAMPLE), ("there", OTHER)):
        (folder / "contracts" / f"{name}.yaml").write_text(text + "extends: base.yaml\n")
    counts: Counter[str] = Counter()

    def counted_read(path: Path, *names: str | None) -> Document:
        counts[f"read {path.name}"] += 1
        return read(path, *names)

    def counted_check(kind: str, checked: Document) -> None:
        counts[f"check {Path(checked.source(()).file).name}"] += 1
        check(kind, checked)

    read, check = document.read, validity.check
    monkeypatch.setattr(loading, "read", counted_read)
    monkeypatch.setattr(validity, "check", counted_check)
    monkeypatch.chdir(folder)
    assert in_process(face, folder, pytester, *LOCAL) == 1
    files = ("base.yaml", "embedded.yaml", "here.yaml", "there.yaml")
    assert counts == {f"{what} {file}": 1 for what in ("read", "check") for file in files}
