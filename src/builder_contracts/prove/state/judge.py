"""Judge the record of a state store: only one holder gets the lock, and an older state can be restored. Pure."""

from __future__ import annotations

from builder_contracts.prove.state.record import StateRecord, StateReply
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.prove.witnessed import Witnessed, unavailable
from builder_contracts.verdict import broken, kept, unproven

FIRST_HOLDER, FIRST_STATE = "held by the first", "first state"
_NO_LOCK = "the store ignores If-None-Match, so state locks do not work"


def judge(show: str, record: StateRecord | Unavailable | None) -> Witnessed:
    """The assessment of one clause of a state store and what witnesses it."""
    if record is None:
        return unproven("the experiment did not run"), ()
    if isinstance(record, Unavailable):
        return unavailable(record)
    match show:
        case "second-lock":
            return _second_lock(record)
        case "old-state":
            return _old_state(record)
        case _:
            raise NotImplementedError(f"no judge for the state proof {show}")


def _no_response(*replies: StateReply) -> str:
    """Return why the store did not respond, or an empty text if it did."""
    lost = next((reply for reply in replies if reply.status == "LOST"), None)
    return "" if lost is None else f"the object store did not respond: {lost.detail}"


def _second_lock(record: StateRecord) -> Witnessed:
    first, second, lock = (record.replies[step] for step in ("lock", "second-lock", "read-lock"))
    witnesses = (
        f"client: first put {first}, second put {second}",
        f"server: the lock reads {lock.text!r}",
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
    witnesses = (f"client: restore {restored}", f"server: the reader reads {state.text!r}")
    if reason := _no_response(restored, state):
        return unproven(reason), witnesses
    if state.status != "OK":
        return unproven(f"the restored state cannot be read: {state}"), witnesses
    if restored.status != "OK" or state.text != FIRST_STATE:
        return broken(
            f"after restoring the first version, the state reads {state.text!r}",
            "versioning lists versions it does not keep",
        ), witnesses
    return kept("the overwritten first state was restored"), witnesses
