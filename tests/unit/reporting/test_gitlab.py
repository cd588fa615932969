"""GitLab's code quality report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from builder_contracts.errors import Location
from builder_contracts.reporting import gitlab
from builder_contracts.reporting.stream import RunInfo
from builder_contracts.verdict import Verdict
from tests.unit.reporting.samples import CONTRADICTED, INFO, KEPT, SAMPLE, STALE, UNPROVEN, VERDICTS, recorded

# What GitLab documents: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
FORM = Draft202012Validator(
    {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["description", "check_name", "fingerprint", "severity", "location"],
            "properties": {
                "description": {"type": "string"},
                "check_name": {"type": "string"},
                "fingerprint": {"type": "string", "minLength": 1},
                "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
                "location": {
                    "type": "object",
                    "required": ["path", "lines"],
                    "properties": {
                        # Relative, and without a leading "./".
                        "path": {"type": "string", "pattern": "^[^/.]|^\\.[^/.]"},
                        "lines": {
                            "type": "object",
                            "required": ["begin"],
                            "properties": {"begin": {"type": "integer", "minimum": 1}},
                        },
                    },
                },
            },
        },
    }
)


def issues(*verdicts: Verdict, root: Path) -> list[dict[str, Any]]:
    text = gitlab.render(recorded(*verdicts, info=RunInfo("id", "check", root, INFO.started)))
    assert text.startswith("["), "a byte order mark would make GitLab drop the report"
    data: list[dict[str, Any]] = json.loads(text)
    FORM.validate(data)
    return data


def test_broken_clause_is_an_issue_at_its_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (issue,) = issues(SAMPLE, KEPT, UNPROVEN, root=tmp_path)
    assert issue["check_name"] == "tinyland-nix/toolchain/xz"
    assert issue["location"] == {"path": "contracts/tinyland-nix.yaml", "lines": {"begin": 21}}
    assert issue["description"] == (
        "promised xz on the job's PATH; observed not found in /usr/local/bin:/usr/bin:/bin; "
        "fix: the image lacks the package xz-utils"
    )


def test_equal_lines_are_issues_of_their_own(tmp_path: Path) -> None:
    again = replace(STALE, location=Location("flake.nix", 9))
    found = issues(replace(CONTRADICTED, contradictions=(STALE, again)), root=tmp_path)
    assert [issue["location"]["lines"]["begin"] for issue in found] == [7, 9]
    assert len({issue["fingerprint"] for issue in found}) == 2


def test_fingerprint_stays_while_lines_move(tmp_path: Path) -> None:
    moved = replace(CONTRADICTED, contradictions=(replace(STALE, location=Location("flake.nix", 70)),))
    (before,), (after,) = issues(CONTRADICTED, root=tmp_path), issues(moved, root=tmp_path)
    assert before["fingerprint"] == after["fingerprint"]


def test_nothing_broken_is_an_empty_list(tmp_path: Path) -> None:
    assert issues(KEPT, root=tmp_path) == []


def test_place_outside_of_the_repository_is_left_out(tmp_path: Path) -> None:
    assert issues(replace(SAMPLE, location=Location("/elsewhere/c.yaml", 3)), root=tmp_path) == []


@given(st.lists(VERDICTS, max_size=5))
def test_any_run_is_a_list_with_unique_fingerprints(verdicts: list[Verdict]) -> None:
    data = json.loads(gitlab.render(recorded(*verdicts)))
    assert len({issue["fingerprint"] for issue in data}) == len(data)
