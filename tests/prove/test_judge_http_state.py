"""Judging a state over HTTP: one row for each outcome of each clause, on records."""

from __future__ import annotations

import dataclasses

import pytest

from builder_contracts.contract.promises.publication import HTTP_STATE
from builder_contracts.prove.http_state.judge import judge
from builder_contracts.prove.http_state.record import HttpStateRecord
from builder_contracts.prove.state_reply import StateReply
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.verdict import Outcome
from tests.prove.example_records import HOLDER, STATES, http_state

BROKEN, UNPROVEN = Outcome.BROKEN, Outcome.UNPROVEN
DONE, GONE, DENIED = StateReply("200"), StateReply("LOST", "timed out"), StateReply("403", "no right")
DOWN, UNKNOWN, ODD = StateReply("503", "down"), StateReply("401", "who"), StateReply("418", "odd")
TAKEN, HELD = StateReply("423", "by another"), StateReply("409", f'{{"ID":"{HOLDER}"}}')
LOCK, RACE, READER, NOBODY, UNLOCK = "second-lock", "race", "reader-lock", "anonymous-lock", "unlock-by-other"
WRITE, STALE, VERSIONS, OLD = "write-without-lock", "stale-holder", "versions", "old-state"


def race(text: str) -> HttpStateRecord:
    return http_state(race=StateReply("200", text=text))


def without(*steps: str) -> HttpStateRecord:
    record = http_state()
    replies = {step: reply for step, reply in record.replies.items() if step not in steps}
    return dataclasses.replace(record, replies=replies, no_reader=Unavailable("there is none"))


TABLE: dict[str, tuple[HttpStateRecord, dict[str, Outcome], str]] = {
    "all as promised": (http_state(), {}, ""),
    "lock is denied": (http_state(lock=DENIED), dict.fromkeys((LOCK, READER, NOBODY, UNLOCK, WRITE, STALE), UNPROVEN), "the step lock, which has to succeed"),
    "lock has no answer": (http_state(lock=GONE), dict.fromkeys((LOCK, READER, NOBODY, UNLOCK, WRITE, STALE), UNPROVEN), "did not answer the step lock: LOST timed out"),
    "server fails at the lock": (http_state(lock=DOWN), dict.fromkeys((LOCK, READER, NOBODY, UNLOCK, WRITE, STALE), UNPROVEN), "did not answer the step lock: 503 down"),
    "second holder gets it": (http_state(second_lock=DONE), {LOCK: BROKEN, UNLOCK: UNPROVEN}, ""),
    "second holder is rejected oddly": (http_state(second_lock=ODD), {LOCK: BROKEN}, "second-lock was rejected with 418 odd, expected 409 or 423"),
    "second holder is not told the first": (http_state(second_lock=TAKEN), {LOCK: BROKEN}, "which does not name the first"),
    "second holder has no answer": (http_state(second_lock=GONE), {LOCK: UNPROVEN, UNLOCK: UNPROVEN}, "the step second-lock"),
    "two win the race": (race("200 200 409"), {RACE: BROKEN}, "2 of 3 who locked at once"),
    "nobody wins the race": (race("409 409 423"), {RACE: UNPROVEN}, "not each of the others"),
    "a racer is rejected oddly": (race("200 409 418"), {RACE: UNPROVEN}, "not each of the others"),
    "nobody raced": (race("200"), {RACE: UNPROVEN}, "nobody raced"),
    "race has no answer": (http_state(race=GONE), {RACE: UNPROVEN}, "did not respond"),
    "reader locks": (http_state(reader_lock=DONE), {READER: BROKEN}, "it acquired the lock: 200"),
    "reader is denied and locks": (http_state(lock_after_reader=HELD), {READER: BROKEN}, "the writer then: 409"),
    "reader is not known": (http_state(reader_lock=UNKNOWN), {READER: UNPROVEN}, "not known to the server, so its rejection shows nothing: 401 who"),
    "reader is rejected oddly": (http_state(reader_lock=ODD), {READER: BROKEN}, "expected 403"),
    "reader has no answer": (http_state(reader_lock=GONE), {READER: UNPROVEN}, "the step reader-lock"),
    "lock after the reader has no answer": (http_state(lock_after_reader=GONE), {READER: UNPROVEN}, "the step lock-after-reader"),
    "lock after the reader is denied": (http_state(lock_after_reader=DENIED), {READER: UNPROVEN}, "whether there is a lock afterwards is not known: 403 no right"),
    "there is no reader": (without("reader-lock", "lock-after-reader", "release-by-reader"), {READER: UNPROVEN, UNLOCK: UNPROVEN}, "there is none"),
    "nobody locks": (http_state(anonymous_lock=DONE), {NOBODY: BROKEN}, "it acquired the lock: 200"),
    "nobody is denied with 403": (http_state(anonymous_lock=DENIED), {}, ""),
    "nobody is rejected oddly": (http_state(anonymous_lock=ODD), {NOBODY: BROKEN}, "expected 401 or 403"),
    "nobody locks although denied": (http_state(lock_after_anonymous=HELD), {NOBODY: BROKEN}, "the writer then: 409"),
    "another ID releases": (http_state(release_with_another_id=DONE), {UNLOCK: BROKEN}, "release-with-another-id 200"),
    "another ID is rejected as GitLab's tests say": (http_state(release_with_another_id=StateReply("412")), {}, ""),
    "another ID is rejected oddly": (http_state(release_with_another_id=ODD), {UNLOCK: BROKEN}, "expected 409 or 423 or 412"),
    "another ID has no answer": (http_state(release_with_another_id=GONE), {UNLOCK: UNPROVEN}, "the step release-with-another-id"),
    "reader releases": (http_state(release_by_reader=DONE), {UNLOCK: BROKEN}, "release-by-reader 200"),
    "reader who releases is not known": (http_state(release_by_reader=UNKNOWN), {UNLOCK: UNPROVEN}, "shows nothing: 401 who"),
    "reader's release is rejected oddly": (http_state(release_by_reader=ODD), {UNLOCK: BROKEN}, "expected 403"),
    "reader's release has no answer": (http_state(release_by_reader=GONE), {UNLOCK: UNPROVEN}, "the step release-by-reader"),
    "lock is free afterwards": (http_state(lock_again=DONE), {UNLOCK: BROKEN}, "lock-again 200"),
    "holder afterwards is not named": (http_state(lock_again=TAKEN), {UNLOCK: UNPROVEN}, "who holds the lock afterwards is not known: 423"),
    "holder afterwards has no answer": (http_state(lock_again=GONE), {UNLOCK: UNPROVEN}, "the step lock-again"),
    "write without an ID is taken": (http_state(write_without_lock=DONE), {WRITE: BROKEN}, "write-without-lock was accepted"),
    "write with another ID is taken": (http_state(write_with_another_id=DONE), {WRITE: BROKEN}, "write-with-another-id was accepted"),
    "write without an ID has no answer": (http_state(write_without_lock=GONE), {WRITE: UNPROVEN}, "the step write-without-lock"),
    "write with another ID has no answer": (http_state(write_with_another_id=GONE), {WRITE: UNPROVEN}, "the step write-with-another-id"),
    "write is rejected oddly": (http_state(write_without_lock=ODD), {WRITE: BROKEN}, "expected 409 or 423 or 412"),
    "rejected write is there": (http_state(read_unwritten=StateReply("200", text=STATES[0])), {WRITE: BROKEN}, "the state was written: it reads 'state 1'"),
    "state before the first write is empty": (http_state(read_unwritten=StateReply("204")), {}, ""),
    "state before the first write is unreadable": (http_state(read_unwritten=DENIED), {WRITE: UNPROVEN}, "cannot be read: 403"),
    "state before the first write has no answer": (http_state(read_unwritten=GONE), {WRITE: UNPROVEN}, "the step read-unwritten"),
    "first write is denied": (http_state(first_write=DENIED), {WRITE: UNPROVEN, VERSIONS: UNPROVEN}, "the step first-write"),
    "second write is denied": (http_state(second_write=DENIED), {STALE: UNPROVEN, VERSIONS: UNPROVEN, OLD: UNPROVEN}, "the step second-write"),
    "release is denied": (http_state(release=DENIED), {STALE: UNPROVEN}, "the step release"),
    "late write is taken": (http_state(late_write=DONE), {STALE: BROKEN}, "late-write by a holder whose lock is released was accepted"),
    "stale write is taken": (http_state(stale_write=DONE), {STALE: BROKEN}, "stale-write by a holder"),
    "stale write has no answer": (http_state(stale_write=GONE), {STALE: UNPROVEN}, "the step stale-write"),
    "late write has no answer": (http_state(late_write=GONE), {STALE: UNPROVEN}, "the step late-write"),
    "stale write is rejected oddly": (http_state(stale_write=ODD), {STALE: BROKEN}, "expected 409 or 423 or 412"),
    "stale write is there": (http_state(read_after_stale=StateReply("200", text=STATES[2])), {STALE: BROKEN}, "the state of the stale holder is the newest"),
    "state after the stale write is another": (http_state(read_after_stale=StateReply("200", text="{}")), {STALE: UNPROVEN}, "whether the state was overwritten cannot be read: 200"),
    "state after the stale write has no answer": (http_state(read_after_stale=GONE), {STALE: UNPROVEN}, "the step read-after-stale"),
    "next holder is denied": (http_state(next_lock=DENIED), {STALE: UNPROVEN}, "the step next-lock"),
    "next write is denied": (http_state(next_write=DENIED), {STALE: UNPROVEN}, "the step next-write"),
    "first version is absent": (http_state(first_version=StateReply("404")), {VERSIONS: BROKEN, OLD: BROKEN}, "404"),
    "first version is the second": (http_state(first_version=StateReply("200", text=STATES[1])), {VERSIONS: BROKEN, OLD: BROKEN}, "200"),
    "first version is denied": (http_state(first_version=DENIED), {VERSIONS: UNPROVEN, OLD: UNPROVEN}, "the first-version cannot be read: 403"),
    "first version asks who": (http_state(first_version=UNKNOWN), {VERSIONS: UNPROVEN, OLD: UNPROVEN}, "the first-version cannot be read: 401"),
    "first version has no answer": (http_state(first_version=GONE), {VERSIONS: UNPROVEN, OLD: UNPROVEN}, "the step first-version"),
    "second version is absent": (http_state(second_version=StateReply("404")), {VERSIONS: BROKEN}, "the second-version reads ''"),
    "second version has no answer": (http_state(second_version=GONE), {VERSIONS: UNPROVEN}, "the step second-version"),
    "restoring is denied": (http_state(restore=DENIED), {OLD: UNPROVEN}, "the step restore"),
    "restored state is another": (http_state(read_restored=StateReply("200", text=STATES[1])), {OLD: BROKEN}, "the state reads 'state 2'"),
    "restored state has no answer": (http_state(read_restored=GONE), {OLD: UNPROVEN}, "the step read-restored"),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLE)
def test_http_state_table(row: str) -> None:
    record, expected, observed = TABLE[row]
    assessments = {show: judge(show, record)[0] for show in HTTP_STATE}
    outcomes = {show: assessment.outcome for show, assessment in assessments.items()}
    assert {show: outcome for show, outcome in outcomes.items() if outcome is not Outcome.KEPT} == expected
    for show in expected:
        assert observed in assessments[show].observation


def test_every_clause_over_http_has_each_outcome() -> None:
    rows = [expected for _, expected, _ in TABLE.values()]
    for show in HTTP_STATE:
        assert {expected.get(show, Outcome.KEPT) for expected in rows} == {Outcome.KEPT, BROKEN, UNPROVEN}


def test_witnesses_are_the_replies_of_the_clause() -> None:
    client, server = judge(RACE, http_state())[1]
    assert client == "client: race 200"
    assert server.startswith("server: 25 replies; written data removed")


def test_step_that_was_not_tried_is_named() -> None:
    record = dataclasses.replace(without("second-lock"), no_reader=None)
    finding = judge(LOCK, record)[0]
    assert (finding.outcome, "LOST second-lock was not tried" in finding.observation) == (UNPROVEN, True)
