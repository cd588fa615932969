"""Judge the record of a state over HTTP: who gets the lock, who writes without it, and what older states are worth. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from builder_contracts.prove.http_state.record import HttpStateRecord
from builder_contracts.prove.publish_attempt import is_accepted, is_no_response, is_unknown, unknown_reader
from builder_contracts.prove.state_reply import StateReply, judge_race
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.prove.witnessed import Witnessed, unavailable
from builder_contracts.verdict import Assessment, broken, kept, unproven

# OpenTofu takes each of the first two for a lock that somebody holds; GitLab answers 409.
_TAKEN = ("409", "423")
_NOT_HOLDER = (*_TAKEN, "412")
_NO_LOCK = "the server grants a lock that is taken, so two runs change the state at the same time"
_UNCHECKED = (
    "the server does not compare the ID of a write with that of the lock, so a write can undo another's"
)
_LETS_LOCK = "the server lets this identity lock; give it a role that may only read"
_OTHER_REASON = "rejected for another reason, so a valid request may succeed; check the server's log"
_NO_VERSIONS = "the server keeps the newest state only"


def judge(show: str, record: HttpStateRecord | Unavailable | None) -> Witnessed:
    """The assessment of one clause of a state over HTTP and what witnesses it."""
    if record is None or isinstance(record, Unavailable):
        return unavailable(record)
    find, steps = _CLAUSES[show]
    replies = "; ".join(f"{step} {record.replies[step]}" for step in steps if step in record.replies)
    return find(record), (
        f"client: {replies}",
        f"server: {len(record.replies)} replies; {record.leftovers}",
    )


def _reply(record: HttpStateRecord, step: str) -> StateReply:
    return record.replies.get(step, StateReply("LOST", f"{step} was not tried"))


def _not_shown(
    record: HttpStateRecord, answered: tuple[str, ...], accepted: tuple[str, ...] = ()
) -> Assessment | None:
    """Why these steps show nothing: a reply is missing, or a control was not accepted."""
    for step in (*answered, *accepted):
        reply = _reply(record, step)
        if is_no_response(reply.status):
            return unproven(f"the server did not answer the step {step}: {reply}")
    for step in accepted:
        if not is_accepted(_reply(record, step).status):
            return unproven(f"the step {step}, which has to succeed, was rejected: {_reply(record, step)}")
    return None


def _accepted(record: HttpStateRecord, *steps: str) -> str:
    """The first of these steps that was accepted, or nothing."""
    return next((step for step in steps if is_accepted(_reply(record, step).status)), "")


def _unexpected(record: HttpStateRecord, expected: tuple[str, ...], *steps: str) -> Assessment | None:
    """Broken, if one of these steps was rejected with another status."""
    for step in steps:
        reply = _reply(record, step)
        if reply.status not in expected:
            return broken(
                f"{step} was rejected with {reply}, expected {' or '.join(expected)}", _OTHER_REASON
            )
    return None


def _second_lock(record: HttpStateRecord) -> Assessment:
    if not_shown := _not_shown(record, ("second-lock",), ("lock",)):
        return not_shown
    second = record.replies["second-lock"]
    if is_accepted(second.status):
        return broken(f"the second holder also acquired the lock: {second}", _NO_LOCK)
    if unexpected := _unexpected(record, _TAKEN, "second-lock"):
        return unexpected
    if record.holder not in second.detail:
        return broken(
            f"the second holder was rejected with {second}, which does not name the first",
            "OpenTofu needs the holder's lock as JSON in the body, for its message and for force-unlock",
        )
    return kept(f"the second holder was rejected with {second.status}, which names the first")


def _reader_lock(record: HttpStateRecord) -> Assessment:
    if record.no_reader is not None:
        return unavailable(record.no_reader)[0]
    return _lock_of_another(record, "reader", ("403",))


def _anonymous_lock(record: HttpStateRecord) -> Assessment:
    return _lock_of_another(record, "anonymous", ("401", "403"))


def _race(record: HttpStateRecord) -> Assessment:
    return judge_race(_reply(record, "race"), _TAKEN, _NO_LOCK)


def _lock_of_another(record: HttpStateRecord, name: str, expected: tuple[str, ...]) -> Assessment:
    """Somebody who may not write locks a state that nobody has locked."""
    step, after = f"{name}-lock", f"lock-after-{name}"
    if not_shown := _not_shown(record, (step, after), ("lock",)):
        return not_shown
    reply, control = record.replies[step], record.replies[after]
    if is_accepted(reply.status) or record.holder in control.detail:
        return broken(f"it acquired the lock: {reply}; the writer then: {control}", _LETS_LOCK)
    if name == "reader" and is_unknown(reply.status):
        return unavailable(unknown_reader(str(reply)))[0]
    if unexpected := _unexpected(record, expected, step):
        return unexpected
    if not is_accepted(control.status):
        return unproven(f"whether there is a lock afterwards is not known: {control}")
    return kept(f"rejected with {reply.status}, and the state is not locked")


def _unlock_by_other(record: HttpStateRecord) -> Assessment:
    if not_shown := _not_shown(record, ("second-lock", "release-with-another-id", "lock-again"), ("lock",)):
        return not_shown
    if _accepted(record, "second-lock"):
        return unproven("the server grants a lock that is taken, so nobody can tell whether it was released")
    if step := _accepted(record, "release-with-another-id", "release-by-reader", "lock-again"):
        return broken(
            f"the lock was released by another than its holder: {step} {record.replies[step]}",
            "the server compares neither the ID of the lock nor the rights of who releases it",
        )
    if unexpected := _unexpected(record, _NOT_HOLDER, "release-with-another-id"):
        return unexpected
    if record.no_reader is not None:
        return unavailable(record.no_reader)[0]
    if not_shown := _not_shown(record, ("release-by-reader",)):
        return not_shown
    if is_unknown(record.replies["release-by-reader"].status):
        return unavailable(unknown_reader(str(record.replies["release-by-reader"])))[0]
    if unexpected := _unexpected(record, ("403",), "release-by-reader"):
        return unexpected
    if record.holder not in record.replies["lock-again"].detail:
        return unproven(f"who holds the lock afterwards is not known: {record.replies['lock-again']}")
    return kept("neither another ID nor the reader released the lock")


def _write_without_lock(record: HttpStateRecord) -> Assessment:
    attempts = ("write-without-lock", "write-with-another-id")
    if not_shown := _not_shown(record, (), ("lock",)):
        return not_shown
    if step := _accepted(record, *attempts):
        return broken(f"{step} was accepted while another held the lock", _UNCHECKED)
    if not_shown := _not_shown(record, (*attempts, "read-unwritten"), ("first-write",)):
        return not_shown
    unwritten = record.replies["read-unwritten"]
    if record.states[0] in unwritten.text:
        return broken(f"rejected, but the state was written: it reads {unwritten.text[:60]!r}", _UNCHECKED)
    if unexpected := _unexpected(record, _NOT_HOLDER, *attempts):
        return unexpected
    if unwritten.status not in ("204", "404"):
        return unproven(f"whether the state was written cannot be read: {unwritten}")
    return kept("rejected without an ID and with another one, and nothing was written")


def _stale_holder(record: HttpStateRecord) -> Assessment:
    attempts = ("late-write", "stale-write")
    if not_shown := _not_shown(record, (), ("lock", "second-write", "release")):
        return not_shown
    if step := _accepted(record, *attempts):
        return broken(f"{step} by a holder whose lock is released was accepted", _UNCHECKED)
    if not_shown := _not_shown(record, (*attempts, "read-after-stale"), ("next-lock", "next-write")):
        return not_shown
    state = record.replies["read-after-stale"]
    if record.states[2] in state.text:
        return broken("rejected, but the state of the stale holder is the newest", _UNCHECKED)
    if unexpected := _unexpected(record, _NOT_HOLDER, *attempts):
        return unexpected
    if state.text != record.states[1]:
        return unproven(f"whether the state was overwritten cannot be read: {state}")
    return kept("a holder whose lock was released cannot write, neither before nor after the next one locks")


def _versions(record: HttpStateRecord) -> Assessment:
    steps = ("first-version", "second-version")
    if not_shown := _not_shown(record, steps, ("first-write", "second-write")):
        return not_shown
    for step, text in zip(steps, record.states, strict=False):
        reply = record.replies[step]
        if is_unknown(reply.status) or reply.status == "403":
            return unproven(f"the {step} cannot be read: {reply}")
        if reply.text != text:
            return broken(f"after two writes, the {step} reads {reply.text[:60]!r} ({reply})", _NO_VERSIONS)
    return kept("both states that were written can be read by their serials")


def _old_state(record: HttpStateRecord) -> Assessment:
    if not_shown := _not_shown(record, ("first-version", "read-restored"), ("second-write", "restore")):
        return not_shown
    first, state = record.replies["first-version"], record.replies["read-restored"]
    if is_unknown(first.status) or first.status == "403":
        return unproven(f"the first-version cannot be read: {first}")
    if first.text != record.states[0]:
        return broken(f"the overwritten first state cannot be read: {first}", _NO_VERSIONS)
    if state.text != record.states[-1]:
        return broken(
            f"after the first state was written again, the state reads {state.text[:60]!r}",
            "the server accepts writes that it does not keep",
        )
    return kept("the overwritten first state was read, and written again")


_CLAUSES: Mapping[str, tuple[Callable[[HttpStateRecord], Assessment], tuple[str, ...]]] = {
    "second-lock": (_second_lock, ("lock", "second-lock")),
    "race": (_race, ("race",)),
    "reader-lock": (_reader_lock, ("lock", "reader-lock", "lock-after-reader")),
    "anonymous-lock": (_anonymous_lock, ("lock", "anonymous-lock", "lock-after-anonymous")),
    "unlock-by-other": (_unlock_by_other, ("release-with-another-id", "release-by-reader", "lock-again")),
    "write-without-lock": (
        _write_without_lock,
        ("write-without-lock", "write-with-another-id", "read-unwritten", "first-write"),
    ),
    "stale-holder": (
        _stale_holder,
        ("release", "late-write", "next-lock", "stale-write", "read-after-stale", "next-write"),
    ),
    "versions": (_versions, ("first-version", "second-version")),
    "old-state": (_old_state, ("first-version", "restore", "read-restored")),
}
"""By clause: its judge, and the steps whose replies it shows."""
