"""Somebody's own object store: locks and versions are proved below one key of a bucket, and nothing of it remains."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder_contracts.contract.promises.publication import STATE
from builder_contracts.prove.local_testbed import LocalTestbed
from builder_contracts.prove.publication import experiment as publication
from builder_contracts.prove.publication.judge import judge as judge_attempt
from builder_contracts.prove.publish_attempt import PublishAttempt
from builder_contracts.prove.state import experiment as state
from builder_contracts.prove.state.judge import judge
from builder_contracts.verdict import Outcome
from tests.prove.conftest import Worlds
from tests.prove.own_store import ask_store, own_store

pytestmark = pytest.mark.docker


@pytest.fixture
def testbed(worlds: Worlds, tmp_path: Path) -> Iterator[LocalTestbed]:
    assert worlds.folder == tmp_path
    with own_store(tmp_path) as created:
        yield created


def contents(testbed: LocalTestbed) -> list[str]:
    """The keys of every version, delete marker and unfinished upload in the bucket."""
    listed = ask_store(testbed, "list_object_versions")["reply"]
    uploads = ask_store(testbed, "list_multipart_uploads")["reply"]
    groups = (listed.get("Versions", []), listed.get("DeleteMarkers", []), uploads.get("Uploads", []))
    return [entry["Key"] for group in groups for entry in group]


def test_deployed_object_store_is_proved_and_cleaned_up(testbed: LocalTestbed) -> None:
    assert ask_store(testbed, "put_object", Key="somebody-elses", Body="")["status"] == "OK"
    record = state.prove(testbed)
    outcomes = {show: judge(show, record)[0] for show in STATE}
    assert {show: finding for show, finding in outcomes.items() if finding.outcome is not Outcome.KEPT} == {}
    assert "written data removed" in judge("old-state", record)[1][1]
    assert (
        "without the lock it could be overwritten, which S3 cannot reject"
        in outcomes["old-state"].observation
    )
    with testbed.fresh("publication") as job:
        attempts = publication.prove(testbed, "objects", job)
    for identity, attempt in attempts.items():
        finding = judge_attempt(identity, attempt)[0]
        assert finding.outcome is Outcome.KEPT, finding
        assert isinstance(attempt, PublishAttempt)
        assert attempt.leftovers == "written data removed"
        # Who tried it and was not rejected would have opened somebody's bucket.
        assert "policy" not in attempt.answers
    assert contents(testbed) == ["somebody-elses"]


def test_reader_with_a_wrong_secret_is_unproven(testbed: LocalTestbed) -> None:
    endpoint = testbed.endpoints["objects"]
    assert endpoint.credentials is not None
    wrong = dataclasses.replace(
        endpoint.credentials, reader=dataclasses.replace(endpoint.credentials.reader, secret="not-her-secret")
    )
    testbed.endpoints = {"objects": dataclasses.replace(endpoint, credentials=wrong)}
    record = state.prove(testbed)
    outcomes = {show: judge(show, record)[0] for show in STATE}
    unproven = {show for show, finding in outcomes.items() if finding.outcome is Outcome.UNPROVEN}
    assert unproven == {"reader-lock", "unlock-by-other"}
    assert "not known to the server" in outcomes["reader-lock"].observation
    assert contents(testbed) == []
