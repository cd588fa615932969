"""Judging a state store: a lock that one holder has, and the way back to an older state."""

from __future__ import annotations

import dataclasses

import pytest

from builder_contracts.contract.promises.publication import STATE
from builder_contracts.prove.state.judge import judge
from builder_contracts.prove.state.record import STEPS, StateRecord, StateReply
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.verdict import Outcome

OK = StateReply("OK")
LOST = StateReply("LOST", "timed out")
DENIED = StateReply("AccessDenied", "403")
GOOD = StateRecord(
    {
        "lock": OK,
        "second-lock": StateReply("PreconditionFailed", "412"),
        "read-lock": StateReply("OK", text="held by the first"),
        "first-write": OK,
        "second-write": OK,
        "versions": OK,
        "restore": OK,
        "read-state": StateReply("OK", text="first state"),
    },
    older_versions=1,
)
LOCK, OLD = "second-lock", "old-state"


def state(older_versions: int = 1, **replies: StateReply) -> StateRecord:
    changed = {name.replace("_", "-"): reply for name, reply in replies.items()}
    return dataclasses.replace(GOOD, replies={**GOOD.replies, **changed}, older_versions=older_versions)


def not_kept(record: StateRecord | Unavailable | None) -> dict[str, Outcome]:
    outcomes = {show: judge(show, record)[0].outcome for show in STATE}
    return {show: outcome for show, outcome in outcomes.items() if outcome is not Outcome.KEPT}


def test_good_store_keeps_everything_with_witnesses() -> None:
    assert set(GOOD.replies) == set(STEPS)
    assert set(STATE) == {LOCK, OLD}
    assert not_kept(GOOD) == {}
    for show in STATE:
        client, server = judge(show, GOOD)[1]
        assert client.startswith("client: ")
        assert server.startswith("server: ")


TABLE: dict[str, tuple[StateRecord, dict[str, Outcome], str]] = {
    "second holder gets the lock": (state(second_lock=OK), {LOCK: Outcome.BROKEN}, "also acquired the lock"),
    "lock overwritten": (
        state(read_lock=StateReply("OK", text="held by the second")), {LOCK: Outcome.BROKEN}, "now reads 'held by the second'",
    ),
    "second holder denied": (state(second_lock=DENIED), {LOCK: Outcome.BROKEN}, "expected PreconditionFailed"),
    "first holder denied": (state(lock=DENIED), {LOCK: Outcome.UNPROVEN}, "the first holder could not acquire the lock"),
    "lock unreadable": (state(read_lock=DENIED), {LOCK: Outcome.UNPROVEN}, "the lock cannot be read"),
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


@pytest.mark.parametrize("record", [None, Unavailable("the engine is gone")])
def test_no_record_is_unproven(record: Unavailable | None) -> None:
    assert set(not_kept(record).values()) == {Outcome.UNPROVEN}


def test_unknown_clause_is_an_error() -> None:
    with pytest.raises(NotImplementedError, match="no judge for the state proof lock"):
        judge("lock", GOOD)
