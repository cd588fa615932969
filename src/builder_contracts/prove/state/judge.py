"""Judge the record of a state store: who gets and releases the lock, and whether an older state comes back. Pure."""

from __future__ import annotations

from builder_contracts.prove.publish_attempt import is_unknown, unknown_reader
from builder_contracts.prove.state.record import StateRecord
from builder_contracts.prove.state_reply import StateReply, judge_race
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.prove.witnessed import Witnessed, unavailable
from builder_contracts.verdict import broken, kept, unproven

FIRST_HOLDER, FIRST_STATE = "held by the first", "first state"
# Amazon answers the second code to writes that overlap (docs.aws.amazon.com, "Conditional writes").
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
_LETS_WRITE = "the store lets this identity write; restrict its policy to reading"
_OTHER_REASON = "rejected for another reason, so a valid request may succeed; check the server's log"
_NO_LOCK = "the store ignores If-None-Match, so state locks do not work"


def judge(show: str, record: StateRecord | Unavailable | None) -> Witnessed:
    """The assessment of one clause of a state store and what witnesses it."""
    if record is None or isinstance(record, Unavailable):
        return unavailable(record)
    match show:
        case "second-lock":
            return _second_lock(record)
        case "race":
            return _race(record)
        case "reader-lock" | "anonymous-lock":
            return _lock_of_another(record, show)
        case "unlock-by-other":
            return _unlock_by_other(record)
        case "old-state":
            return _old_state(record)
        case _:
            raise NotImplementedError(f"no judge for the state proof {show}")


def _server(record: StateRecord, observed: str) -> str:
    return f"server: {observed}" + (f"; {record.leftovers}" if record.leftovers else "")


def _no_response(*replies: StateReply) -> str:
    """Return why the store did not respond, or an empty text if it did."""
    lost = next((reply for reply in replies if reply.status == "LOST"), None)
    return "" if lost is None else f"the object store did not respond: {lost.detail}"


def _second_lock(record: StateRecord) -> Witnessed:
    first, second, lock = (record.replies[step] for step in ("lock", "second-lock", "read-lock"))
    witnesses = (
        f"client: first put {first}, second put {second}",
        _server(record, f"the lock reads {lock.text!r}"),
    )
    if reason := _no_response(first, second, lock):
        return unproven(reason), witnesses
    if first.status != "OK":
        return unproven(f"the first holder could not acquire the lock: {first}"), witnesses
    if lock.status != "OK":
        return unproven(f"the lock cannot be read: {lock}"), witnesses
    if second.status == "OK" or lock.text != FIRST_HOLDER:
        return broken(
            f"the second holder also acquired the lock, which now reads {lock.text!r}", _NO_LOCK
        ), witnesses
    if second.status != "PreconditionFailed":
        return broken(
            f"the second holder was rejected with {second}, expected PreconditionFailed", _NO_LOCK
        ), witnesses
    return kept("the second holder was rejected with PreconditionFailed; the first keeps the lock"), witnesses


def _race(record: StateRecord) -> Witnessed:
    race = record.replies["race"]
    return judge_race(race, _TAKEN, _NO_LOCK), (
        f"client: {len(race.text.split())} puts at once: {race.text or race}",
        _server(record, "each of these replies"),
    )


def _lock_of_another(record: StateRecord, show: str) -> Witnessed:
    """Somebody who may not write locks a state that nobody has locked."""
    if show == "reader-lock" and record.no_reader is not None:
        return unavailable(record.no_reader)
    reply, lock, control = (record.replies[step] for step in (show, f"read-{show}", "lock"))
    witnesses = (
        f"client: {show} {reply}; the writer's lock {control}",
        _server(record, f"afterwards {lock}"),
    )
    if reason := _no_response(reply, lock, control):
        return unproven(reason), witnesses
    if reply.status == "OK" or lock.status == "OK":
        return broken(f"it acquired the lock: {reply}; afterwards {lock}", _LETS_WRITE), witnesses
    if show == "reader-lock" and is_unknown(reply.status):
        return unavailable(unknown_reader(str(reply)))[0], witnesses
    if control.status != "OK":
        return unproven(f"the writer could not acquire a lock either: {control}"), witnesses
    if reply.status != "AccessDenied":
        return broken(f"it was rejected with {reply}, expected AccessDenied", _OTHER_REASON), witnesses
    if lock.status != "NoSuchKey":
        return unproven(f"whether there is a lock afterwards cannot be read: {lock}"), witnesses
    return kept("rejected with AccessDenied, and the state is not locked"), witnesses


def _unlock_by_other(record: StateRecord) -> Witnessed:
    if record.no_reader is not None:
        return unavailable(record.no_reader)
    reply, lock, control = (record.replies[step] for step in ("unlock-by-other", "read-lock", "lock"))
    witnesses = (f"client: delete by the reader {reply}", _server(record, f"the lock reads {lock.text!r}"))
    if reason := _no_response(reply, lock, control):
        return unproven(reason), witnesses
    if control.status != "OK":
        return unproven(f"there was no lock to release: {control}"), witnesses
    if reply.status == "OK" or lock.status == "NoSuchKey":
        return broken(
            f"the reader released the writer's lock: {reply}; afterwards {lock}", _LETS_WRITE
        ), witnesses
    if is_unknown(reply.status):
        return unavailable(unknown_reader(str(reply)))[0], witnesses
    if reply.status != "AccessDenied":
        return broken(f"it was rejected with {reply}, expected AccessDenied", _OTHER_REASON), witnesses
    if lock.status != "OK" or lock.text != FIRST_HOLDER:
        return unproven(f"whether the lock is there afterwards cannot be read: {lock}"), witnesses
    return kept("rejected with AccessDenied, and the lock is still there"), witnesses


def _old_state(record: StateRecord) -> Witnessed:
    writes = (record.replies["first-write"], record.replies["second-write"])
    versions = record.replies["versions"]
    if reason := _no_response(*writes, versions):
        return unproven(reason), ()
    failed = next((reply for reply in (*writes, versions) if reply.status != "OK"), None)
    if failed is not None:
        return unproven(f"the two states could not be written and listed: {failed}"), ()
    if not record.older_versions:
        return broken(
            f"after two writes, the store lists no previous version ({versions})",
            "versioning is not enabled on the bucket",
        ), ()
    restored, state = record.replies["restore"], record.replies["read-state"]
    witnesses = (f"client: restore {restored}", _server(record, f"the reader reads {state.text!r}"))
    if reason := _no_response(restored, state):
        return unproven(reason), witnesses
    if state.status != "OK":
        return unproven(f"the restored state cannot be read: {state}"), witnesses
    if restored.status != "OK" or state.text != FIRST_STATE:
        return broken(
            f"after restoring the first version, the state reads {state.text!r}",
            "versioning lists versions it does not keep",
        ), witnesses
    # OpenTofu writes a state without a condition, so that no store of S3 can tell who holds its lock.
    without_lock = (
        "; without the lock it could be overwritten, which S3 cannot reject"
        if record.replies["release"].status == "OK"
        else ""
    )
    return kept(f"the overwritten first state was restored{without_lock}"), witnesses
