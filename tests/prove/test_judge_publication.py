"""Judging attempts to publish: only the exact refusal, with a control and an absence read back, is kept."""

from __future__ import annotations

import dataclasses
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.prove.canary.definition import completeness
from builder_contracts.prove.publication.judge import judge, judge_seen
from builder_contracts.prove.records import (
    SECOND,
    AccessLogLine,
    CheckResult,
    Leak,
    PublishAttempt,
    Scan,
    StoreLookup,
    Unavailable,
)
from builder_contracts.prove.verdicts import judge_scan
from builder_contracts.verdict import Outcome

ABSENT, PRESENT = StoreLookup(False, "404"), StoreLookup(True, "200")
LINE = AccessLogLine("reader", "10.0.0.2", "PUT", "/main/x", 403)
REFUSED = PublishAttempt("reader", {"put": "403 no"}, {"put": ABSENT}, {"put": "201"}, (LINE,), "test")
ALLOWED = PublishAttempt(
    "writer",
    {"put": "201"},
    {"put": PRESENT},
    {"put": "201"},
    (dataclasses.replace(LINE, status=201),),
    "test",
)


def outcome(identity: str, attempt: PublishAttempt | Unavailable | None) -> Outcome:
    return judge(identity, attempt)[0].outcome


def refused(**changes: object) -> PublishAttempt:
    return dataclasses.replace(REFUSED, **changes)  # type: ignore[arg-type]


def test_an_exact_refusal_with_control_and_absence_is_kept() -> None:
    assert outcome("reader", REFUSED) is Outcome.KEPT
    assert outcome("writer", ALLOWED) is Outcome.KEPT


def test_a_second_client_of_one_identity_is_not_called_another() -> None:
    assert "read back by another identity" in judge("writer", ALLOWED)[0].seen
    assert SECOND in judge("writer", dataclasses.replace(ALLOWED, looker=SECOND))[0].seen


@pytest.mark.parametrize(
    ("answer", "said"),
    [("403 forbidden", "put: 403 forbidden"), ("201", "put: DROPPED, although answered 201")],
)
def test_a_writer_is_called_dropped_only_where_he_was_accepted(answer: str, said: str) -> None:
    writer = PublishAttempt("writer", {"put": answer}, {"put": ABSENT}, {})
    finding = judge("reader", refused(control=writer.as_control()))[0]
    assert finding.outcome is Outcome.UNPROVEN
    assert finding.seen.endswith(said)


@pytest.mark.parametrize("status", ["401 x", "403 x", "UNAUTHENTICATED", "AccessDenied 403"])
def test_what_the_anonymous_may_be_told(status: str) -> None:
    assert outcome("anonymous", refused(answers={"put": status})) is Outcome.KEPT


@pytest.mark.parametrize("status", ["201", "202", "OK"])
def test_an_accepted_write_breaks(status: str) -> None:
    assert outcome("reader", refused(answers={"put": status})) is Outcome.BROKEN


@pytest.mark.parametrize("status", ["404", "400 bad", "INVALID_ARGUMENT", "SignatureDoesNotMatch"])
def test_a_refusal_for_another_reason_breaks(status: str) -> None:
    assert outcome("reader", refused(answers={"put": status})) is Outcome.BROKEN


@pytest.mark.parametrize("status", ["LOST timed out", "500", "502 Bad Gateway", "503"])
def test_no_answer_is_no_refusal(status: str) -> None:
    assert outcome("reader", refused(answers={"put": status})) is Outcome.UNPROVEN
    assert outcome("writer", dataclasses.replace(ALLOWED, answers={"put": status})) is Outcome.UNPROVEN


def test_refused_and_there_all_the_same_breaks() -> None:
    assert outcome("reader", refused(found={"put": PRESENT})) is Outcome.BROKEN


def test_what_was_to_be_deleted_must_still_be_there() -> None:
    kept = refused(answers={"delete": "403"}, found={"delete": PRESENT}, control={"delete": "OK"})
    assert outcome("reader", kept) is Outcome.KEPT
    assert outcome("reader", dataclasses.replace(kept, found={"delete": ABSENT})) is Outcome.BROKEN


@pytest.mark.parametrize(
    "change",
    [
        {"control": {"put": "403"}},
        {"control": {}},
        {"found": {"put": StoreLookup(None, "500")}},
        {"seen_by_server": ()},
    ],
    ids=["writer refused too", "no writer", "cannot read back", "server saw nothing"],
)
def test_what_makes_a_refusal_worthless(change: dict[str, object]) -> None:
    assert outcome("reader", refused(**change)) is Outcome.UNPROVEN


def test_a_writer_whose_words_vanish() -> None:
    gone = dataclasses.replace(ALLOWED, found={"put": ABSENT})
    assert outcome("writer", gone) is Outcome.BROKEN
    assert "dropped" in judge("writer", gone)[0].likely
    assert gone.as_control()["put"].startswith("DROPPED")
    assert outcome("reader", refused(control=gone.as_control())) is Outcome.UNPROVEN


def test_a_write_that_the_server_never_saw() -> None:
    assert outcome("writer", dataclasses.replace(ALLOWED, seen_by_server=())) is Outcome.BROKEN


@pytest.mark.parametrize("attempt", [None, Unavailable("down")])
def test_no_attempt_is_unproven(attempt: Unavailable | None) -> None:
    assert outcome("reader", attempt) is Outcome.UNPROVEN
    assert judge_seen(attempt)[0].outcome is Outcome.UNPROVEN


answers = st.dictionaries(
    st.sampled_from(["put", "delete"]), st.sampled_from(["201", "403", "LOST", "502", "x"])
)
looks = st.dictionaries(
    st.sampled_from(["put", "delete"]),
    st.builds(StoreLookup, st.sampled_from([True, False, None]), st.just("seen")),
)


@given(
    st.builds(
        PublishAttempt,
        st.just("reader"),
        answers,
        looks,
        answers,
        st.sampled_from([(), (LINE,)]),
        st.just("c"),
    ),
    st.sampled_from(["anonymous", "reader", "writer"]),
)
def test_any_attempt_gets_a_finding_and_nothing_present_is_kept_as_refused(
    attempt: PublishAttempt, identity: str
) -> None:
    finding, witnesses = judge(identity, attempt)
    assert finding.seen
    assert len(witnesses) == 2
    if finding.outcome is Outcome.KEPT and identity != "writer":
        assert attempt.found.get("put", ABSENT).present is False


def scan(**changes: object) -> Scan:
    return dataclasses.replace(Scan(3, 100, (), 3, places=2), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (scan(), Outcome.KEPT),
        (scan(leaks=(Leak("nar!xz", "plain"),)), Outcome.BROKEN),
        (scan(missed=("registry",)), Outcome.UNPROVEN),
        (scan(items=0), Outcome.UNPROVEN),
        (Unavailable("off"), Outcome.UNPROVEN),
        (None, Outcome.UNPROVEN),
    ],
)
def test_a_search_counts_only_when_it_finds_what_was_planted(
    found: Scan | Unavailable | None, expected: Outcome
) -> None:
    assert judge_scan(found)[0].outcome is expected


def link(name: str, target: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    return entry


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ({"out/a": link("out/a", "/nix/store/x")}, "a link to /nix/store/x"),
        ({"out/a": b"see /home/runner/x"}, "names /home/runner"),
        ({"out/a": b""}, "is empty"),
        ({}, "did not come out"),
    ],
)
def test_what_makes_an_artifact_incomplete(taken: dict[str, bytes | tarfile.TarInfo], said: str) -> None:
    found = completeness(taken, ("out",), ("/home/runner",))
    assert not found.good
    assert said in found.said


def test_a_complete_artifact() -> None:
    assert isinstance(completeness({"out/a": b"words"}, ("out",), ("/home/runner",)), CheckResult)
    assert completeness({"out/a": b"words"}, ("out",), ("/home/runner",)).good
