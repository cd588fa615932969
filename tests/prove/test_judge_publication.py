"""Judging attempts to publish: only the exact rejection, with a control and an absence read back, is kept."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.publication.judge import judge
from builder_contracts.prove.publish_attempt import PublishAttempt, with_control
from builder_contracts.prove.store_lookup import SECOND, StoreLookup
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.verdict import Outcome

ABSENT, PRESENT, UNREADABLE = StoreLookup(False, "404"), StoreLookup(True, "200"), StoreLookup(None, "500")
HTTP_REJECTED = AccessLogLine("reader", "10.0.0.2", "PUT", "/main/x", 403)
HTTP_ACCEPTED = dataclasses.replace(HTTP_REJECTED, identity="writer", status=201)
UPDATE = "/build.bazel.remote.execution.v2.ActionCache/UpdateActionResult"
# Of gRPC a rejection is HTTP 200 as well.
GRPC_REJECTED = AccessLogLine("reader", "10.0.0.2", "POST", UPDATE, 200, "7")
GRPC_ACCEPTED = dataclasses.replace(GRPC_REJECTED, identity="writer", grpc="0")
REJECTED = PublishAttempt(
    "reader", {"put": "403 no"}, {"put": ABSENT}, {"put": "201"}, (HTTP_REJECTED,), "test"
)
ALLOWED = PublishAttempt("writer", {"put": "201"}, {"put": PRESENT}, {"put": "201"}, (HTTP_ACCEPTED,), "test")
REJECTED_GRPC = PublishAttempt(
    "reader", {"ac": "PERMISSION_DENIED"}, {"ac": ABSENT}, {"ac": "OK"}, (GRPC_REJECTED,), "test"
)
ALLOWED_GRPC = PublishAttempt("writer", {"ac": "OK"}, {"ac": PRESENT}, {"ac": "OK"}, (GRPC_ACCEPTED,), "test")
DEPLOYED = {"logged": False, "requests": ()}


def outcome(identity: str, attempt: PublishAttempt | Unavailable | None) -> Outcome:
    return judge(identity, attempt)[0].outcome


def rejected(**changes: object) -> PublishAttempt:
    return dataclasses.replace(REJECTED, **changes)  # type: ignore[arg-type]


def allowed(**changes: object) -> PublishAttempt:
    return dataclasses.replace(ALLOWED, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("attempt", [REJECTED, REJECTED_GRPC, rejected(**DEPLOYED)])
def test_exact_rejection_with_control_and_absence_is_kept(attempt: PublishAttempt) -> None:
    assert outcome("reader", attempt) is Outcome.KEPT


@pytest.mark.parametrize("attempt", [ALLOWED, ALLOWED_GRPC, allowed(**DEPLOYED)])
def test_accepted_write_that_is_read_back_is_kept(attempt: PublishAttempt) -> None:
    assert outcome("writer", attempt) is Outcome.KEPT


def test_second_client_of_the_writer_is_not_another_identity() -> None:
    assert "read back by another identity" in judge("writer", ALLOWED)[0].observation
    assert SECOND in judge("writer", allowed(reader=SECOND))[0].observation


def test_requests_are_a_witness_with_their_statuses() -> None:
    assert judge("writer", ALLOWED)[1][1] == "server: logs 201; read back put: 200"
    assert judge("reader", REJECTED_GRPC)[1][1] == "server: logs grpc 7; read back ac: 404"
    assert "logs no request from it" in judge("reader", rejected(requests=()))[1][1]


def test_deployed_target_has_no_log_line() -> None:
    assert judge("writer", allowed(**DEPLOYED))[1][1].startswith(
        "server: deployed, log unavailable; read back "
    )


WRITER_TABLE: dict[str, tuple[PublishAttempt, Outcome, str]] = {
    "rejected": (allowed(answers={"put": "403 no"}), Outcome.BROKEN, "put was rejected for the writer"),
    "no response": (allowed(answers={"put": "LOST gone"}), Outcome.UNPROVEN, "did not respond"),
    "failing server": (allowed(answers={"put": "503"}), Outcome.UNPROVEN, "did not respond"),
    "no answer": (allowed(answers={}), Outcome.UNPROVEN, "no write was attempted"),
    "accepted and absent": (allowed(lookups={"put": ABSENT}), Outcome.BROKEN, "returned 201 for /main/x, but put is absent"),
    "accepted by gRPC and absent": (
        dataclasses.replace(ALLOWED_GRPC, lookups={"ac": ABSENT}), Outcome.BROKEN, "returned 200 for /build.bazel",
    ),
    "rejected by gRPC and absent": (
        dataclasses.replace(ALLOWED_GRPC, answers={"ac": "PERMISSION_DENIED"}, lookups={"ac": ABSENT}, requests=(GRPC_REJECTED,)),
        Outcome.BROKEN, "ac was rejected for the writer",
    ),
    "deployed, accepted and absent": (
        allowed(**DEPLOYED, lookups={"put": ABSENT}), Outcome.BROKEN, "put returned 201, but is absent",
    ),
    "deployed, rejected and absent": (
        allowed(**DEPLOYED, answers={"put": "403"}, lookups={"put": ABSENT}), Outcome.BROKEN, "put was rejected for the writer",
    ),
    "deployed, unknown writer": (
        allowed(**DEPLOYED, answers={"put": "401"}, lookups={"put": ABSENT}), Outcome.UNPROVEN, "credentials are not known to the server",
    ),
    "reader gets no answer": (allowed(lookups={"put": UNREADABLE}), Outcome.UNPROVEN, "cannot verify the write: put: 500"),
    "nobody reads back": (allowed(lookups={}), Outcome.UNPROVEN, "cannot verify the write: nothing was read back"),
    "no request in the log": (allowed(requests=()), Outcome.BROKEN, "the server's log has no such request"),
    "only a rejection in the log": (allowed(requests=(HTTP_REJECTED,)), Outcome.BROKEN, "the server's log has no such request"),
    "only a gRPC rejection in the log": (
        dataclasses.replace(ALLOWED_GRPC, requests=(GRPC_REJECTED,)), Outcome.BROKEN, "the server's log has no such request",
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", WRITER_TABLE)
def test_writer_table(row: str) -> None:
    attempt, expected, observed = WRITER_TABLE[row]
    finding = judge("writer", attempt)[0]
    assert finding.outcome is expected
    assert observed in finding.observation


KEEP = rejected(answers={"delete": "403"}, lookups={"delete": PRESENT}, control={"delete": "OK"})
READER_TABLE: dict[str, tuple[PublishAttempt, Outcome, str]] = {
    "existing content stays": (KEEP, Outcome.KEPT, "delete rejected with 403"),
    "existing content is gone": (dataclasses.replace(KEEP, lookups={"delete": ABSENT}), Outcome.BROKEN, "existing content is gone"),
    "existing content unreadable": (dataclasses.replace(KEEP, lookups={"delete": UNREADABLE}), Outcome.UNPROVEN, "cannot read the target"),
    "rejected and written": (rejected(lookups={"put": PRESENT}), Outcome.BROKEN, "put returned 403 no but was written"),
    "rejected, but accepted in the log": (
        rejected(requests=(dataclasses.replace(HTTP_REJECTED, status=201),)), Outcome.BROKEN, "but the server returned 201",
    ),
    "rejected, but accepted in the gRPC log": (
        dataclasses.replace(REJECTED_GRPC, requests=(dataclasses.replace(GRPC_REJECTED, grpc="0"),)),
        Outcome.BROKEN, "but the server returned 200",
    ),
    "writer rejected too": (rejected(control={"put": "403"}), Outcome.UNPROVEN, "so a rejection proves nothing: put: 403"),
    "no control": (rejected(control={}), Outcome.UNPROVEN, "so a rejection proves nothing: no control"),
    "no writer": (rejected(no_writer=Unavailable("no writer credentials", provable_here=False)), Outcome.UNPROVEN, "no writer credentials"),
    "reader gets no answer": (rejected(lookups={"put": UNREADABLE}), Outcome.UNPROVEN, "cannot read the target afterwards: put: 500"),
    "nobody reads back": (rejected(lookups={}), Outcome.UNPROVEN, "cannot read the target afterwards: nothing was read back"),
    "no request in the log": (rejected(requests=()), Outcome.UNPROVEN, "so it rejected nothing"),
    "no answer": (rejected(answers={}), Outcome.UNPROVEN, "no write was attempted"),
}  # fmt: skip


@pytest.mark.parametrize("row", READER_TABLE)
def test_reader_table(row: str) -> None:
    attempt, expected, observed = READER_TABLE[row]
    finding = judge("reader", attempt)[0]
    assert finding.outcome is expected
    assert observed in finding.observation


def test_missing_writer_decides_whether_it_is_provable() -> None:
    attempt = rejected(no_writer=Unavailable("no writer credentials", provable_here=False))
    assert not judge("reader", attempt)[0].provable_here


@pytest.mark.parametrize(
    ("answer", "observed"),
    [("403 forbidden", "put: 403 forbidden"), ("201", "put: dropped despite response 201")],
)
def test_control_is_dropped_only_where_it_was_accepted(answer: str, observed: str) -> None:
    writer = PublishAttempt("writer", {"put": answer}, {"put": ABSENT}, {})
    finding = judge("reader", rejected(control=writer.as_control()))[0]
    assert finding.outcome is Outcome.UNPROVEN
    assert finding.observation.endswith(observed)


@pytest.mark.parametrize("status", ["401 x", "403 x", "UNAUTHENTICATED", "AccessDenied 403"])
def test_rejections_of_anonymous_requests(status: str) -> None:
    assert outcome("anonymous", rejected(answers={"put": status})) is Outcome.KEPT


@pytest.mark.parametrize("status", ["201", "202", "204", "200", "OK"])
def test_accepted_write_of_a_reader_is_broken(status: str) -> None:
    finding = judge("reader", rejected(answers={"put": status}))[0]
    assert finding.outcome is Outcome.BROKEN
    assert finding.observation == f"put was accepted: {status}"


@pytest.mark.parametrize("status", ["404", "400 bad", "INVALID_ARGUMENT"])
def test_rejection_of_a_reader_for_another_reason(status: str) -> None:
    assert outcome("reader", rejected(answers={"put": status})) is Outcome.BROKEN


UNKNOWN = [
    "401 Unauthorized",
    "UNAUTHENTICATED access denied",
    "SignatureDoesNotMatch 403",
    "InvalidAccessKeyId 403",
]


@pytest.mark.parametrize("status", UNKNOWN)
def test_reader_whom_the_server_does_not_know_shows_nothing(status: str) -> None:
    finding = judge("reader", rejected(answers={"put": status}))[0]
    assert finding.outcome is Outcome.UNPROVEN
    assert "not known to the server" in finding.observation
    accepted = rejected(answers={"put": status, "delete": "204"})
    assert outcome("reader", accepted) is Outcome.BROKEN


@pytest.mark.parametrize("status", ["401", "UNAUTHENTICATED"])
def test_anonymous_reader_is_rejected_as_nobody(status: str) -> None:
    nobody = rejected(identity="anonymous", answers={"put": status})
    attempts = with_control({"anonymous": nobody, "writer": ALLOWED}, anonymous_reader=True)
    assert isinstance(attempts["reader"], PublishAttempt)
    assert outcome("reader", attempts["reader"]) is Outcome.KEPT


@pytest.mark.parametrize("status", ["LOST timed out", "500", "502 Bad Gateway", "503"])
def test_no_response_is_no_rejection(status: str) -> None:
    assert outcome("reader", rejected(answers={"put": status})) is Outcome.UNPROVEN
    assert outcome("writer", allowed(answers={"put": status})) is Outcome.UNPROVEN


def test_dropped_write_is_no_control_for_a_reader() -> None:
    dropped = allowed(lookups={"put": ABSENT})
    assert "dropped silently" in judge("writer", dropped)[0].cause
    attempts = with_control({"writer": dropped, "reader": REJECTED})
    reader = attempts["reader"]
    assert isinstance(reader, PublishAttempt)
    assert outcome("reader", reader) is Outcome.UNPROVEN


def test_lost_writer_leaves_readers_unproven() -> None:
    attempts = with_control(
        {"writer": Unavailable("the engine is gone"), "reader": REJECTED, "anonymous": Unavailable("x")}
    )
    assert judge("reader", attempts["reader"])[0].observation == "the engine is gone"
    assert attempts["anonymous"] == Unavailable("x")


@pytest.mark.parametrize("attempt", [None, Unavailable("down")])
def test_no_attempt_is_unproven(attempt: Unavailable | None) -> None:
    assert outcome("reader", attempt) is Outcome.UNPROVEN


operations = st.sampled_from(["put", "delete"])
answers = st.dictionaries(operations, st.sampled_from(["201", "403", "LOST", "502", "x"]))
lookups = st.dictionaries(
    operations, st.builds(StoreLookup, st.sampled_from([True, False, None]), st.just("detail"))
)
requests = st.sampled_from([(), (HTTP_REJECTED,), (HTTP_ACCEPTED,), (GRPC_REJECTED,)])


@given(
    st.builds(PublishAttempt, st.just("reader"), answers, lookups, answers, requests, st.just("client")),
    st.sampled_from(["anonymous", "reader", "writer"]),
)
def test_any_attempt_gets_an_assessment(attempt: PublishAttempt, identity: str) -> None:
    finding, witnesses = judge(identity, attempt)
    assert finding.observation
    assert len(witnesses) == 2
    if finding.outcome is Outcome.KEPT and identity != "writer":
        assert attempt.lookups.get("put", ABSENT).present is False


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reads_in_the_log_are_no_accepted_writes(method: str) -> None:
    read = dataclasses.replace(HTTP_ACCEPTED, method=method)
    assert outcome("writer", allowed(requests=(read,))) is Outcome.BROKEN


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_each_accepting_status_in_the_log_counts(status: int) -> None:
    accepted = dataclasses.replace(HTTP_ACCEPTED, status=status)
    assert outcome("writer", allowed(requests=(accepted,))) is Outcome.KEPT
    assert outcome("reader", rejected(requests=(accepted,))) is Outcome.BROKEN


def test_evidence_of_a_writer_names_each_operation() -> None:
    more = allowed(answers={"put": "201", "multipart": "200"})
    assert (
        judge("writer", more)[0].observation
        == "put written and read back by another identity; multipart accepted"
    )
    exact = allowed(
        answers={"put": "201", "wrong hash": "400"},
        lookups={"put": PRESENT, "wrong hash": ABSENT},
        refusals={"wrong hash": ("400",)},
    )
    assert judge("writer", exact)[0].observation.endswith("another identity; wrong hash rejected")
    assert judge("writer", allowed(leftovers="written data removed"))[1][1].endswith("; written data removed")


def test_read_that_is_not_rejected_has_its_own_cause() -> None:
    attempt = rejected(
        answers={"read": "200", "put": "403"}, refusals={"read": ("401",)}, lookups={"put": ABSENT}
    )
    assert "lets anybody read it" in judge("reader", attempt)[0].cause
    assert "lets this identity write" in judge("reader", rejected(answers={"put": "201"}))[0].cause
