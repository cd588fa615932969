"""Statements: what a run says of an image, and back."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder_contracts.attest import statement
from builder_contracts.attest.statement import EXTENSION, NotAttestable
from builder_contracts.reporting import attestation
from builder_contracts.verdict import Outcome, Rung
from tests.unit.attest.evidence_samples import CONTRACT, IMAGE, KEPT_VERDICTS, evidence, verdict
from tests.unit.reporting.samples import CONTRADICTED, SAMPLE, recorded

KEPT, BROKEN, UNPROVEN, WAIVED = Outcome


def test_statement_has_the_fields_of_test_result() -> None:
    data = statement.to_data(evidence())
    assert data["_type"] == "https://in-toto.io/Statement/v1"
    assert data["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert data["subject"] == [{"name": "ghcr.io/me/runner:1", "digest": {"sha256": IMAGE[7:]}}]
    predicate = data["predicate"]
    assert predicate["configuration"] == [{"name": "tinyland-nix", "digest": {"sha256": CONTRACT[7:]}}]
    assert predicate["result"] == "PASSED"
    assert predicate["passedTests"] == [kept.clause for kept in KEPT_VERDICTS]
    assert predicate["warnedTests"] == predicate["failedTests"] == []
    assert predicate[EXTENSION]["rungs"]["tinyland-nix/caches/nix"] == "C2"
    assert predicate[EXTENSION]["promised"] == 3


@pytest.mark.parametrize(
    ("outcomes", "result", "warned", "failed"),
    [
        ([KEPT], "PASSED", 0, 0),
        ([KEPT, UNPROVEN], "WARNED", 1, 0),
        ([KEPT, WAIVED], "WARNED", 1, 0),
        ([UNPROVEN], "WARNED", 1, 0),
        ([KEPT, UNPROVEN, BROKEN, WAIVED], "FAILED", 2, 1),
    ],
)
def test_only_kept_clauses_pass(outcomes: list[Outcome], result: str, warned: int, failed: int) -> None:
    made = evidence([verdict(f"toolchain/{place}", outcome) for place, outcome in enumerate(outcomes)])
    predicate = statement.to_data(made)["predicate"]
    assert predicate["result"] == result
    assert (len(predicate["warnedTests"]), len(predicate["failedTests"])) == (warned, failed)
    assert len(predicate["passedTests"]) == len(outcomes) - warned - failed


def test_statement_gives_its_evidence_back() -> None:
    verdicts = [verdict(f"toolchain/{outcome.value}", outcome) for outcome in Outcome]
    made = evidence(verdicts, url="https://ci.example/1", environment="embedded")
    assert statement.from_data(json.loads(json.dumps(statement.to_data(made)))) == made


def test_image_pinned_by_digest_is_a_second_subject() -> None:
    manifest = "sha256:" + "7e" * 32
    origin = dataclasses.replace(KEPT_VERDICTS[1].origin, image=f"ghcr.io/me/runner@{manifest}")
    assert evidence([verdict("toolchain/xz", origin=origin)]).digests == {IMAGE, manifest}


def test_age_is_that_of_the_oldest_observation() -> None:
    old = dataclasses.replace(KEPT_VERDICTS[1].origin, started="2026-03-11T02:00:11Z")
    made = evidence([*KEPT_VERDICTS, verdict("toolchain/old", origin=old)])
    assert made.started.isoformat() == "2026-03-11T02:00:11+00:00"


def test_proof_without_a_job_needs_no_image_of_its_own() -> None:
    nowhere = dataclasses.replace(KEPT_VERDICTS[1].origin, image="", image_digest="", started="")
    made = evidence([*KEPT_VERDICTS, verdict("caches/bazel", UNPROVEN, origin=nowhere)])
    assert (set(made.digests), made.judged) == ({IMAGE}, 4)


@pytest.mark.parametrize(
    ("verdicts", "reason"),
    [
        ([], "about one class, and this run has none"),
        ([CONTRADICTED], "about one image, and this run has none"),
        ([SAMPLE, verdict("toolchain/xz")], "about one image, and this run has 2"),
        ([SAMPLE, CONTRADICTED], "about one class, and this run has 2: platform, tinyland-nix"),
        (
            [verdict("toolchain/xz", origin=dataclasses.replace(SAMPLE.origin, started=""))],
            "has the time of its observations, and this run has none",
        ),
        (
            [verdict("toolchain/xz", origin=dataclasses.replace(SAMPLE.origin, started="yesterday"))],
            "has the time of its observations, and this run has none",
        ),
    ],
)
def test_run_without_one_image_and_class_makes_none(verdicts: list[Any], reason: str) -> None:
    with pytest.raises(OSError, match=reason):
        attestation.render(recorded(*verdicts))


DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another type": lambda data: data.update(predicateType="https://slsa.dev/provenance/v1"),
    "no predicate": lambda data: data.pop("predicate"),
    "no extension": lambda data: data["predicate"].pop(EXTENSION),
    "no subject": lambda data: data.pop("subject"),
    "digest of another kind": lambda data: data["subject"][0].update(digest={"sha1": "0a"}),
    "short digest": lambda data: data["subject"][0].update(digest={"sha256": "0a"}),
    "no contract": lambda data: data["predicate"].update(configuration=[]),
    "two contracts": lambda data: data["predicate"]["configuration"].append({}),
    "kept without a rung": lambda data: data["predicate"][EXTENSION].update(rungs={}),
    "unknown rung": lambda data: data["predicate"][EXTENSION]["rungs"].update({"tinyland-nix/toolchain/xz": "C9"}),
    "no time": lambda data: data["predicate"][EXTENSION].update(started=""),
    "time without a zone": lambda data: data["predicate"][EXTENSION].update(started="2026-03-12T02:00:11"),
    "result against its clauses": lambda data: data["predicate"].update(result="FAILED"),
    "clauses against their result": lambda data: data["predicate"]["failedTests"].append("x/y/z"),
    "fewer clauses than it says": lambda data: data["predicate"][EXTENSION].update(judged=4),
    "a list": lambda data: data.update(predicate=[]),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_other_statements_are_refused(damage: str) -> None:
    data = copy.deepcopy(statement.to_data(evidence()))
    DAMAGES[damage](data)
    with pytest.raises(NotAttestable, match="not a statement"):
        statement.from_data(data)


@pytest.mark.parametrize("data", [None, [], "text", 1])
def test_other_json_is_refused(data: object) -> None:
    with pytest.raises(NotAttestable, match="not a statement"):
        statement.from_data(data)


GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "me/runners",
    "GITHUB_RUN_ID": "7",
}


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({}, ""),
        (GITHUB, "https://github.com/me/runners/actions/runs/7"),
        ({**GITHUB, "GITHUB_RUN_ID": ""}, ""),
        ({"CI_JOB_URL": "https://gitlab.com/me/runners/-/jobs/7"}, "https://gitlab.com/me/runners/-/jobs/7"),
    ],
)
def test_url_is_that_of_the_ci_job(env: dict[str, str], url: str) -> None:
    assert attestation.url_of_run(env) == url


def test_rung_of_a_kept_clause_is_in_the_evidence() -> None:
    assert set(evidence().kept.values()) == {Rung.DECLARED, Rung.OBSERVED, Rung.EXERCISED}


def test_page_shows_the_field_of_our_own() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/reports.md").read_text("utf-8")
    assert EXTENSION in page
    assert all(f"`{name}`" in page for name in statement.to_data(evidence())["predicate"][EXTENSION])
