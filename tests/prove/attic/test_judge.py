"""The judge of attempts at an Attic server: a row for each answer, and no fact whose loss leaves a clause kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from builder_contracts.prove.nix.judge import judge as judge_nix
from builder_contracts.prove.publication.judge import judge
from builder_contracts.prove.publish_attempt import PublishAttempt, with_control
from builder_contracts.prove.store_lookup import StoreLookup
from builder_contracts.verdict import Outcome
from tests.prove import example_records

U = "401 Unauthorized: Unauthorized."
D = "403 AccessError: Access error: User does not have permission to complete this action."
STORED, NOTHING = StoreLookup(True, "narinfo 200"), StoreLookup(False, "narinfo 404")
UPLOADS = ("upload", "upload with header")


def writer() -> PublishAttempt:
    answers = dict.fromkeys(UPLOADS, "200 Uploaded") | {
        "upload with a wrong hash": "400 RequestError: Bad hash"
    }
    return PublishAttempt(
        "writer", {**answers, "right to push to main": "200"},
        {**dict.fromkeys(UPLOADS, STORED), "upload with a wrong hash": NOTHING}, {}, client="test", logged=False,
        refusals={"upload with a wrong hash": ("400",)},
    )  # fmt: skip


def refused(identity: str, answer: str) -> PublishAttempt:
    """An identity that got this answer to whatever needs a right."""
    operations = (*UPLOADS, "configure", "delete", *(["read"] if identity == "anonymous" else []))
    status = (answer.partition(" ")[0],)
    return PublishAttempt(
        identity, {**dict.fromkeys(operations, answer), "put narinfo": "405"},
        {**dict.fromkeys(UPLOADS, NOTHING), "put narinfo": NOTHING, "delete": StoreLookup(True, "configuration 200")},
        {}, client="test", logged=False,
        refusals={**dict.fromkeys(operations, status), "put narinfo": ("405", *status)},
    )  # fmt: skip


def controlled(attempt: PublishAttempt) -> PublishAttempt:
    attempts = with_control({"writer": writer(), attempt.identity: attempt})
    result = attempts[attempt.identity]
    assert isinstance(result, PublishAttempt)
    return result


KEPT = [
    controlled(refused("anonymous", U)),
    controlled(refused("anonymous", D)),
    controlled(refused("reader", D)),
]


@pytest.mark.parametrize("attempt", [writer(), *KEPT], ids=lambda attempt: attempt.identity)
def test_exact_answers_are_kept(attempt: PublishAttempt) -> None:
    assessment, _ = judge(attempt.identity, attempt)
    assert assessment.outcome is Outcome.KEPT, assessment


def single_changes(attempt: PublishAttempt) -> Iterator[tuple[str, PublishAttempt]]:
    for operation, answer in attempt.answers.items():
        for changed in (
            "LOST gone",
            "503 down",
            "403 no" if answer.startswith("2") else "200 Uploaded",
            "418 teapot",
        ):
            yield (
                f"{operation}: {changed}",
                dataclasses.replace(attempt, answers={**attempt.answers, operation: changed}),
            )
    for operation, lookup in attempt.lookups.items():
        for present in {None, not lookup.present}:
            changed_lookup = StoreLookup(present, "changed")
            yield (
                f"{operation}: {present}",
                dataclasses.replace(attempt, lookups={**attempt.lookups, operation: changed_lookup}),
            )
    yield "no lookups", dataclasses.replace(attempt, lookups={})
    yield "no answers", dataclasses.replace(attempt, answers={})
    if attempt.control:
        yield "no control", dataclasses.replace(attempt, control={})


@pytest.mark.parametrize("attempt", [writer(), *KEPT], ids=lambda attempt: attempt.identity)
def test_no_single_change_stays_kept(attempt: PublishAttempt) -> None:
    for place, changed in single_changes(attempt):
        assert judge(attempt.identity, changed)[0].outcome is not Outcome.KEPT, place


@pytest.mark.parametrize(
    ("attempt", "operation", "answer", "outcome", "words"),
    [
        (refused("reader", D), "upload", U, Outcome.UNPROVEN, "not known to the server"),
        (refused("anonymous", U), "upload", D, Outcome.BROKEN, "expected 401"),
        (refused("anonymous", D), "upload", U, Outcome.BROKEN, "expected 403"),
        (refused("anonymous", U), "upload", "400 RequestError", Outcome.BROKEN, "rejected with 400"),
        (refused("anonymous", U), "read", "200", Outcome.BROKEN, "read was accepted: 200"),
        (refused("anonymous", U), "read", "404 NoSuchObject", Outcome.BROKEN, "read was rejected with 404"),
        (refused("reader", D), "configure", "200", Outcome.BROKEN, "configure was accepted"),
        (refused("reader", D), "put narinfo", "201", Outcome.BROKEN, "put narinfo was accepted"),
        (refused("reader", D), "put narinfo", D, Outcome.KEPT, "rejected with"),
        (refused("reader", D), "upload", "500 InternalServerError", Outcome.UNPROVEN, "did not respond"),
        (writer(), "upload", U, Outcome.UNPROVEN, "writer's credentials are not known to the server"),
        (writer(), "upload", D, Outcome.BROKEN, "upload was rejected for the writer: 403"),
        (writer(), "right to push to main", D, Outcome.BROKEN, "right to push to main was rejected"),
        (writer(), "upload with a wrong hash", "200 Uploaded", Outcome.BROKEN, "upload with a wrong hash was accepted"),
        (writer(), "upload with a wrong hash", D, Outcome.BROKEN, "expected 400"),
    ],
)  # fmt: skip
def test_answer_decides(
    attempt: PublishAttempt, operation: str, answer: str, outcome: Outcome, words: str
) -> None:
    changed = dataclasses.replace(attempt, answers={**attempt.answers, operation: answer})
    if attempt.identity != "writer":
        changed = controlled(changed)
    assessment, _ = judge(attempt.identity, changed)
    assert assessment.outcome is outcome, assessment
    assert words in assessment.observation


@pytest.mark.parametrize(
    ("attempt", "operation", "present", "words"),
    [
        (refused("reader", D), "delete", False, "delete: existing content is gone"),
        (refused("reader", D), "upload", True, "upload returned 403 AccessError"),
        (writer(), "upload", False, "upload returned 200 Uploaded, but is absent"),
        (writer(), "upload with a wrong hash", True, "upload with a wrong hash returned 400"),
    ],
)
def test_store_decides_against_the_answers(
    attempt: PublishAttempt, operation: str, present: bool, words: str
) -> None:
    lookups = {**attempt.lookups, operation: StoreLookup(present, "looked")}
    changed = dataclasses.replace(attempt, lookups=lookups)
    if attempt.identity != "writer":
        changed = controlled(changed)
    assessment, _ = judge(attempt.identity, changed)
    assert assessment.outcome is Outcome.BROKEN
    assert words in assessment.observation


def test_read_of_a_private_cache_has_its_own_cause() -> None:
    attempt = refused("anonymous", U)
    changed = dataclasses.replace(attempt, answers={**attempt.answers, "read": "200"})
    assert "private by its own configuration" in judge("anonymous", controlled(changed))[0].cause


@pytest.mark.parametrize(
    ("declared", "server", "outcome"),
    [
        ("", "main:b=", Outcome.KEPT),
        ("main:a=", "main:a=", Outcome.KEPT),
        ("main:a=", "main:b=", Outcome.BROKEN),
        # Nobody may know the configuration, so the server does not say what its key is.
        ("main:a=", "", Outcome.KEPT),
    ],
)
def test_declared_key_must_be_the_servers(declared: str, server: str, outcome: Outcome) -> None:
    record = example_records.deployed_nix(declared_key=declared, server_key=server)
    assert judge_nix("key", record)[0].outcome is outcome
