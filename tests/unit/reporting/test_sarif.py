"""SARIF 2.1.0."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from builder_contracts.errors import Location
from builder_contracts.reporting import sarif
from builder_contracts.reporting.stream import RunInfo, RunSummary, Skipped
from builder_contracts.verdict import Outcome, Verdict
from tests.unit.reporting.samples import (
    CONTRADICTED,
    INFO,
    KEPT,
    SAMPLE,
    STALE,
    SUMMARY,
    UNPROVEN,
    VERDICTS,
    recorded,
)

SCHEMA = Path(__file__).parents[2] / "truth" / "sarif" / "sarif-2.1.0.schema.json"
VALIDATOR = Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")), format_checker=FormatChecker())
LIMIT = replace(UNPROVEN, provable_here=False, observation="the host has 2 CPUs")


def run(*verdicts: Verdict, root: Path = INFO.root, summary: RunSummary = SUMMARY) -> dict[str, Any]:
    """The one run of a log that the standard's own schema accepts."""
    info = RunInfo("id", "check", root, INFO.started)
    log = json.loads(sarif.render(recorded(*verdicts, info=info, summary=summary)))
    assert [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(log)] == []
    (only,) = log["runs"]
    data: dict[str, Any] = only
    return data


def notifications(data: dict[str, Any]) -> list[tuple[str, str]]:
    (invocation,) = data["invocations"]
    return [(note["level"], note["message"]["text"]) for note in invocation["toolExecutionNotifications"]]


@given(st.lists(VERDICTS, max_size=4))
def test_any_run_is_valid(verdicts: list[Verdict]) -> None:
    run(*verdicts)


def test_broken_clause_is_a_result_at_its_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = run(SAMPLE, KEPT, root=tmp_path)
    (result,) = data["results"]
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "contracts/tinyland-nix.yaml"},
        "region": {"startLine": 21, "startColumn": 1},
    }
    assert "relatedLocations" not in result
    (rule,) = data["tool"]["driver"]["rules"]
    assert rule["id"] == result["ruleId"] == "tinyland-nix/toolchain/xz"


def test_contradiction_has_its_other_place_as_related() -> None:
    (result,) = run(CONTRADICTED)["results"]
    related = result["relatedLocations"][0]
    assert related["physicalLocation"]["artifactLocation"]["uri"] == "contracts/platform/endpoints.yaml"
    assert result["message"]["text"] == "cache = old; retired; now new. Fix: use new."


@pytest.mark.parametrize("file", ["/elsewhere/endpoints.yaml", "https://example.org/issues/1"])
def test_related_place_outside_of_the_repository_is_left_out(file: str) -> None:
    other = replace(STALE, other=Location(file, 1))
    (result,) = run(replace(CONTRADICTED, contradictions=(other,)))["results"]
    assert "relatedLocations" not in result


def test_primary_place_outside_of_the_repository_is_absolute() -> None:
    (result,) = run(replace(SAMPLE, location=Location("/else where/c.yaml", 3)))["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "file:///else%20where/c.yaml"


def test_equal_lines_have_different_fingerprints() -> None:
    again = replace(STALE, location=Location("flake.nix", 9))
    results = run(replace(CONTRADICTED, contradictions=(STALE, again)))["results"]
    prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in results]
    assert prints == [f"{STALE.fingerprint}:1", f"{STALE.fingerprint}:2"]


def test_what_was_not_checked_is_a_notification() -> None:
    waived = replace(KEPT, outcome=Outcome.WAIVED)
    summary = replace(
        SUMMARY, skipped=(Skipped("x.yaml", "not YAML"),), notes=("in the baseline: 2 findings",)
    )
    data = run(UNPROVEN, LIMIT, waived, summary=summary)
    assert data["results"] == []
    assert notifications(data) == [
        ("warning", "unproven: tinyland-nix/toolchain/xz: no engine"),
        ("note", "unproven: tinyland-nix/toolchain/xz: the host has 2 CPUs"),
        ("note", "waived: tinyland-nix/toolchain/xz: /usr/bin/xz"),
        ("warning", "skipped: x.yaml: not YAML"),
        ("note", "in the baseline: 2 findings"),
    ]


@pytest.mark.parametrize(
    ("verdict", "summary", "successful"),
    [
        (SAMPLE, SUMMARY, True),
        (LIMIT, SUMMARY, True),
        (UNPROVEN, SUMMARY, False),
        (KEPT, replace(SUMMARY, skipped=(Skipped("x", "y"),)), False),
        (KEPT, replace(SUMMARY, interrupted=True), False),
    ],
)
def test_execution_is_successful_if_all_was_checked(
    verdict: Verdict, summary: RunSummary, successful: bool
) -> None:
    (invocation,) = run(verdict, summary=summary)["invocations"]
    assert invocation["executionSuccessful"] is successful
    assert invocation["exitCode"] == 1
    assert (invocation["startTimeUtc"], invocation["endTimeUtc"]) == (
        "2026-03-12T02:00:11Z",
        "2026-03-12T02:00:13Z",
    )


def test_files_are_named_from_the_top_of_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    sub = tmp_path / "sub"
    sub.mkdir()
    monkeypatch.chdir(sub)
    contract = replace(STALE, other=Location(str(tmp_path / "contracts" / "endpoints.yaml"), 1))
    results = run(SAMPLE, replace(CONTRADICTED, contradictions=(contract,)), root=sub)["results"]
    places = [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in results]
    assert places == ["sub/contracts/tinyland-nix.yaml", "sub/flake.nix"]
    related = results[1]["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert related == "contracts/endpoints.yaml"


def test_name_that_no_file_system_takes_is_reported() -> None:
    odd = replace(STALE, location=Location("a\0b", 1), other=Location("\0", 1))
    (result,) = run(replace(CONTRADICTED, contradictions=(odd,)))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%00b"


def test_odd_file_names_are_quoted() -> None:
    odd = replace(STALE, location=Location("docs/a b#?%.md", 2))
    (result,) = run(replace(CONTRADICTED, contradictions=(odd,)))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "docs/a%20b%23%3F%25.md"
