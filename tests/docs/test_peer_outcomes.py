"""Outcomes of goss and container-structure-test beside those of the converted contract."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from docs.peer_outcomes import Comparison, compare, goss_outcomes, structure_outcomes, table

from tests.cli.terminal import run

GOSSFILE = """\
file:
  /etc/passwd: {exists: true, filetype: file, contents: ["/^root:/"]}
  /etc/absent: {exists: true}
command:
  printf 'one\\ntwo\\n': {exit-status: 0, stdout: ["/^two$/", "!/^three/"], stderr: ""}
  printf hi: {exit-status: 0, stdout: hi}
  printf 'hi\\n': {exit-status: 0, stdout: hi}
  echo loud: {exit-status: 0, stdout: ""}
  exit 4: {exit-status: 0}
user:
  root: {exists: true, uid: 0}
  nobody-at-all: {exists: true}
"""


def verdict(line: int, outcome: str) -> dict[str, Any]:
    return {"location": {"line": line}, "outcome": outcome, "observation": f"{outcome} here"}


def goss_result(name: str, successful: bool, skipped: bool = False) -> dict[str, Any]:
    about = {"resource-type": "File", "resource-id": "/x"}
    return about | {"property": name, "successful": successful, "skipped": skipped}


def test_an_unconverted_property_does_not_count_in_goss() -> None:
    report = {"results": [goss_result("exists", True), goss_result("size", False)]}
    assert goss_outcomes(report, ["file /x: size"]) == {"file /x": True}
    assert goss_outcomes(report, []) == {"file /x": False}


def test_what_goss_skips_is_as_what_it_belongs_to() -> None:
    for exists in (True, False):
        report = {"results": [goss_result("exists", exists), goss_result("contents", True, True)]}
        assert goss_outcomes(report, [])["file /x: contents"] is exists


def test_structure_tests_have_the_names_of_the_contract() -> None:
    results = [{"Name": "Command Test: apt", "Pass": True}, {"Name": "Metadata Test", "Pass": False}]
    assert structure_outcomes({"Results": results}) == {"commandTests apt": True, "metadataTest": False}


def test_the_worst_promise_of_a_test_is_compared() -> None:
    contract = (
        "a: 1\nb: 2  # metadataTest cmd\nc: 3  # metadataTest user; commandTests x\nd: 4  # commandTests y"
    )
    judged = [verdict(1, "broken"), verdict(2, "kept"), verdict(3, "broken"), verdict(4, "unproven")]
    compared = list(compare(contract, judged, {"metadataTest": False, "commandTests x": True}))
    assert [(item.test, item.peer, item.contract, item.agrees) for item in compared] == [
        ("metadataTest", "failed", "broken", True),
        ("commandTests x", "passed", "broken", False),
        ("commandTests y", "no result", "unproven", False),
    ]


def test_the_table_explains_each_difference() -> None:
    same = Comparison("file /a", "passed", "kept", "a file")
    text = table({"goss.yaml": [same, Comparison("file /b", "passed", "broken", "not\nthere")]})
    assert "| goss.yaml | 2 | 1 | 1 |" in text
    assert "| goss.yaml | file /b | passed | broken | not there |" in text
    assert "observed" not in table({"goss.yaml": [same]})


def test_goss_and_its_converted_file_agree(tmp_path: Path) -> None:
    program = shutil.which("goss") or shutil.which("goss", path=Path(sys.executable).parent)
    if not program:
        pytest.skip("needs goss (apt-get install goss)")
    (tmp_path / "goss.yaml").write_text(GOSSFILE)
    command = [program, "--gossfile", "goss.yaml", "validate", "--format", "json"]
    peer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    run("init", "--from", "goss.yaml", "--name", "host", cwd=tmp_path)
    checked = run("check", "--runner", "local", "contracts/host.yaml", "--format", "json", cwd=tmp_path)
    contract = (tmp_path / "contracts" / "host.yaml").read_text()
    outcomes = goss_outcomes(json.loads(peer.stdout), [])
    compared = list(compare(contract, json.loads(checked.out)["verdicts"], outcomes))
    assert not [item for item in compared if not item.agrees]
    assert sorted(item.contract for item in compared) == ["broken"] * 5 + ["kept"] * 5
