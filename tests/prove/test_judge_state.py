"""Judging a state store: a lock that one holder has, and the way back to an older state."""

from __future__ import annotations

import dataclasses

import pytest

from builder_contracts.contract.promises.publication import STATE
from builder_contracts.prove.state.judge import judge
from builder_contracts.prove.state.record import StateRecord
from builder_contracts.prove.state_reply import StateReply
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.verdict import Outcome

OK = StateReply("OK")
LOST = StateReply("LOST", "timed out")
DENIED = StateReply("AccessDenied", "403")
ABSENT = StateReply("NoSuchKey", "404")
UNKNOWN = StateReply("InvalidAccessKeyId", "403")
GOOD = StateRecord(
    {
        "lock": OK,
        "second-lock": StateReply("PreconditionFailed", "412"),
        "reader-lock": DENIED,
        "anonymous-lock": DENIED,
        "unlock-by-other": DENIED,
        "read-reader-lock": ABSENT,
        "read-anonymous-lock": ABSENT,
        "race": StateReply("OK", text="PreconditionFailed OK ConditionalRequestConflict"),
        "read-lock": StateReply("OK", text="held by the first"),
        "first-write": OK,
        "release": StateReply("OK", "204"),
        "second-write": OK,
        "versions": OK,
        "restore": OK,
        "read-state": StateReply("OK", text="first state"),
    },
    older_versions=1,
)
LOCK, OLD, RACE = "second-lock", "old-state", "race"
READER, NOBODY, UNLOCK = "reader-lock", "anonymous-lock", "unlock-by-other"
UNPROVEN, BROKEN = Outcome.UNPROVEN, Outcome.BROKEN


def state(older_versions: int = 1, **replies: StateReply) -> StateRecord:
    changed = {name.replace("_", "-"): reply for name, reply in replies.items()}
    return dataclasses.replace(GOOD, replies={**GOOD.replies, **changed}, older_versions=older_versions)


def not_kept(record: StateRecord | Unavailable | None) -> dict[str, Outcome]:
    outcomes = {show: judge(show, record)[0].outcome for show in STATE}
    return {show: outcome for show, outcome in outcomes.items() if outcome is not Outcome.KEPT}


def test_good_store_keeps_everything_with_witnesses() -> None:
    assert set(STATE) == {LOCK, OLD, RACE, READER, NOBODY, UNLOCK}
    assert not_kept(GOOD) == {}
    for show in STATE:
        client, server = judge(show, GOOD)[1]
        assert client.startswith("client: ")
        assert server.startswith("server: ")


TABLE: dict[str, tuple[StateRecord, dict[str, Outcome], str]] = {
    "second holder gets the lock": (state(second_lock=OK), {LOCK: Outcome.BROKEN}, "also acquired the lock"),
    "reader locks": (state(reader_lock=OK), {READER: BROKEN}, "it acquired the lock"),
    "reader is denied and locks": (state(read_reader_lock=OK), {READER: BROKEN}, "it acquired the lock"),
    "reader unknown": (state(reader_lock=UNKNOWN), {READER: UNPROVEN}, "not known to the server"),
    "reader rejected for another reason": (state(reader_lock=ABSENT), {READER: BROKEN}, "expected AccessDenied"),
    "reader's lock unreadable": (state(read_reader_lock=DENIED), {READER: UNPROVEN}, "cannot be read"),
    "no response to the reader": (state(reader_lock=LOST), {READER: UNPROVEN}, "did not respond"),
    "nobody locks": (state(anonymous_lock=OK), {NOBODY: BROKEN}, "it acquired the lock"),
    "nobody is unknown": (state(anonymous_lock=UNKNOWN), {NOBODY: BROKEN}, "expected AccessDenied"),
    "nobody's lock unreadable": (state(read_anonymous_lock=LOST), {NOBODY: UNPROVEN}, "did not respond"),
    "reader unlocks": (state(unlock_by_other=OK), {UNLOCK: BROKEN}, "released the writer's lock"),
    "unlock by an unknown reader": (state(unlock_by_other=UNKNOWN), {UNLOCK: UNPROVEN}, "not known to the server"),
    "unlock rejected for another reason": (state(unlock_by_other=ABSENT), {UNLOCK: BROKEN}, "expected AccessDenied"),
    "no response to the unlock": (state(unlock_by_other=LOST), {UNLOCK: UNPROVEN}, "did not respond"),
    "two win the race": (state(race=StateReply("OK", text="OK OK PreconditionFailed")), {RACE: BROKEN}, "2 of 3"),
    "two win, one has no response": (state(race=StateReply("OK", text="OK OK LOST")), {RACE: BROKEN}, "2 of 3"),
    "nobody wins the race": (state(race=StateReply("OK", text="AccessDenied AccessDenied")), {RACE: UNPROVEN}, "not each of the others"),
    "a racer is denied": (state(race=StateReply("OK", text="OK AccessDenied")), {RACE: UNPROVEN}, "not each of the others"),
    "a racer has no response": (state(race=StateReply("OK", text="OK LOST PreconditionFailed")), {RACE: UNPROVEN}, "to each of them"),
    "no race": (state(race=StateReply("OK", text="OK")), {RACE: UNPROVEN}, "nobody raced"),
    "no response to the race": (state(race=LOST), {RACE: UNPROVEN}, "did not respond"),
    "second holder denied": (state(second_lock=DENIED), {LOCK: Outcome.BROKEN}, "expected PreconditionFailed"),
    "first holder denied": (state(lock=DENIED), {LOCK: UNPROVEN, READER: UNPROVEN, NOBODY: UNPROVEN, UNLOCK: UNPROVEN}, ""),
    "lock unreadable": (state(read_lock=DENIED), {LOCK: UNPROVEN, UNLOCK: UNPROVEN}, "cannot be read"),
    "no response to the second holder": (state(second_lock=LOST), {LOCK: Outcome.UNPROVEN}, "did not respond: timed out"),
    "no older version": (state(older_versions=0), {OLD: Outcome.BROKEN}, "lists no previous version"),
    "no response to the versions": (state(versions=LOST), {OLD: Outcome.UNPROVEN}, "did not respond: timed out"),
    "second write denied": (state(second_write=DENIED), {OLD: Outcome.UNPROVEN}, "could not be written and listed"),
    "no response to the restore": (state(restore=LOST), {OLD: Outcome.UNPROVEN}, "did not respond: timed out"),
    "restore denied": (state(restore=DENIED), {OLD: Outcome.BROKEN}, "after restoring the first version"),
    "restored state unreadable": (state(read_state=DENIED), {OLD: Outcome.UNPROVEN}, "the restored state cannot be read"),
    "restored to the second state": (
        state(read_state=StateReply("OK", text="second state")), {OLD: Outcome.BROKEN}, "the state reads 'second state'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLE)
def test_state_table(row: str) -> None:
    record, expected, observed = TABLE[row]
    assert not_kept(record) == expected
    for show in expected:
        assert observed in judge(show, record)[0].observation


def test_overwritten_lock_is_the_second_holders() -> None:
    record = state(read_lock=StateReply("OK", text="held by the second"))
    assert not_kept(record) == {LOCK: BROKEN, UNLOCK: UNPROVEN}
    assert "now reads 'held by the second'" in judge(LOCK, record)[0].observation


def test_write_is_without_the_lock_only_after_its_release() -> None:
    assert "without the lock it could be overwritten" in judge(OLD, GOOD)[0].observation
    assert judge(OLD, state(release=DENIED))[0].observation == "the overwritten first state was restored"


def test_lock_that_is_gone_was_released() -> None:
    assert not_kept(state(read_lock=ABSENT)) == {LOCK: UNPROVEN, UNLOCK: BROKEN}


def test_state_without_a_reader_is_proved_for_the_others() -> None:
    """The store knows no read-only identity, so the record has none of its steps."""
    replies = {
        step: reply
        for step, reply in GOOD.replies.items()
        if step not in (READER, UNLOCK, "read-reader-lock")
    }
    record = dataclasses.replace(
        GOOD, replies=replies, no_reader=Unavailable("no reader", provable_here=False)
    )
    assert not_kept(record) == {READER: UNPROVEN, UNLOCK: UNPROVEN}
    assert not judge(READER, record)[0].provable_here


def test_leftovers_are_a_witness() -> None:
    record = dataclasses.replace(GOOD, leftovers="written data removed")
    assert all("written data removed" in judge(show, record)[1][1] for show in STATE)


@pytest.mark.parametrize("record", [None, Unavailable("the engine is gone")])
def test_no_record_is_unproven(record: Unavailable | None) -> None:
    assert set(not_kept(record).values()) == {Outcome.UNPROVEN}


def test_unknown_clause_is_an_error() -> None:
    with pytest.raises(NotImplementedError, match="no judge for the state proof lock"):
        judge("lock", GOOD)


@pytest.mark.parametrize(
    ("record", "show", "observed"),
    [
        (state(read_lock=LOST), LOCK, "did not respond: timed out"),
        (state(lock=LOST), READER, "did not respond: timed out"),
        (state(lock=LOST), UNLOCK, "did not respond: timed out"),
        (state(read_state=LOST), OLD, "did not respond: timed out"),
        (state(reader_lock=UNKNOWN), READER, "shows nothing: InvalidAccessKeyId 403"),
        (state(unlock_by_other=UNKNOWN), UNLOCK, "shows nothing: InvalidAccessKeyId 403"),
    ],
)
def test_cause_of_an_unproven_state_is_named(record: StateRecord, show: str, observed: str) -> None:
    assert observed in judge(show, record)[0].observation


def test_witnesses_of_a_state_name_replies_and_leftovers() -> None:
    assert judge(LOCK, GOOD)[1][1] == "server: the lock reads 'held by the first'"
    left = dataclasses.replace(GOOD, leftovers="written data removed")
    assert judge(LOCK, left)[1][1].endswith("; written data removed")
    assert judge(RACE, state(race=LOST))[1][0] == "client: 0 puts at once: LOST timed out"
    assert judge(RACE, GOOD)[1][0].endswith("at once: PreconditionFailed OK ConditionalRequestConflict")
