"""Judge attempts to publish. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.class_settings import OWN, judge_plain
from builder_contracts.prove.publish_attempt import (
    PublishAttempt,
    answer_status,
    is_accepted,
    is_no_response,
    is_unknown,
    unknown_reader,
)
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.prove.witnessed import NO_LOG, Witnessed, unavailable
from builder_contracts.services.principals import ANONYMOUS, READER, WRITER
from builder_contracts.verdict import Assessment, broken, kept, unproven

# What each protocol answers to somebody unknown, and to somebody known who may not.
REJECTIONS = {
    "anonymous": ("401", "403", "UNAUTHENTICATED", "AccessDenied"),
    "reader": ("403", "PERMISSION_DENIED", "AccessDenied"),
}
# Operations on what was there before and has to be there still.
_KEEPS = ("delete",)
_READABLE = "the cache is private by its own configuration, but a proxy or the server lets anybody read it"
_UNCHECKED = "the server stores what it should have checked and rejected"
_DROPPED = "writes are dropped silently; check the proxy and the store behind it"


def judge(identity: str, attempt: PublishAttempt | Unavailable | None) -> Witnessed:
    """The assessment of what an identity can publish to one target."""
    if attempt is None or isinstance(attempt, Unavailable):
        return unavailable(attempt)
    answers = "; ".join(f"{operation}: {answer[:120]}" for operation, answer in attempt.answers.items())
    statuses = [str(line.status if not line.grpc else f"grpc {line.grpc}") for line in attempt.requests]
    lookups = "; ".join(f"{operation}: {lookup.detail[:80]}" for operation, lookup in attempt.lookups.items())
    server = f"server: logs {', '.join(statuses[:8]) or 'no request from it'}" if attempt.logged else NO_LOG
    witnesses = (
        f"client ({attempt.client}) as {identity}: {answers}",
        f"{server}; read back {lookups}" + (f"; {attempt.leftovers}" if attempt.leftovers else ""),
    )
    if not attempt.answers:
        return unproven("no write was attempted"), witnesses
    no_response = next(
        (f"{operation}: {answer}" for operation, answer in attempt.answers.items() if is_no_response(answer)),
        "",
    )
    if no_response:
        return unproven(f"the target did not respond, so nothing was rejected: {no_response}"), witnesses
    if identity != WRITER:
        return _rejected(identity, attempt), witnesses
    if not attempt.plain:
        return _allowed(attempt), witnesses
    plain = f"{attempt.client}: {attempt.plain}"
    lost = is_no_response(attempt.plain)
    failed = unproven(f"the plain command got no answer: {plain}") if lost else broken(plain, OWN)
    return judge_plain(failed, _allowed(attempt), () if lost else attempt.settings), (
        f"client by {OWN}: {attempt.plain[:120]}",
        *witnesses,
    )


def _allowed(attempt: PublishAttempt) -> Assessment:
    accepted = _accepted_requests(attempt)
    answers = {
        operation: answer
        for operation, answer in attempt.answers.items()
        if operation not in attempt.refusals
    }
    lookups = {
        operation: lookup
        for operation, lookup in attempt.lookups.items()
        if operation not in attempt.refusals
    }
    absent = next(
        ((operation, lookup) for operation, lookup in lookups.items() if lookup.present is False), None
    )
    unauthorized = any(answer_status(answer) in ("401", "403") for answer in answers.values())
    if absent is not None and (accepted or (not attempt.logged and not unauthorized)):
        operation, lookup = absent
        returned = (
            f"the server returned {accepted[-1].status} for {accepted[-1].uri}, but {operation} is absent"
            if accepted
            else f"{operation} returned {attempt.answers.get(operation, '?')}, but is absent"
        )
        return broken(f"{returned}: {lookup.detail}", _DROPPED)
    for operation, answer in answers.items():
        if is_unknown(answer) and not attempt.logged:
            return unproven(f"the writer's credentials are not known to the server: {operation}: {answer}")
        if not is_accepted(answer):
            return broken(
                f"{operation} was rejected for the writer: {answer}",
                "the writer's credentials are wrong, or lack permissions on the server",
            )
    if not_rejected := _not_rejected(WRITER, attempt, attempt.refusals, _UNCHECKED):
        return not_rejected
    unverified = next(
        (f"{operation}: {lookup.detail}" for operation, lookup in lookups.items() if not lookup.present),
        "" if lookups else "nothing was read back",
    ) or _unknown(attempt)
    if unverified:
        return unproven(f"cannot verify the write: {unverified}")
    if attempt.logged and not accepted:
        return broken(
            "the client reports a write, but the server's log has no such request",
            "another server responded; check host names and proxies",
        )
    written = f"{', '.join(lookups)} written and read back by {attempt.reader}"
    if accepted_only := [operation for operation in answers if operation not in lookups]:
        written += f"; {', '.join(accepted_only)} accepted"
    return kept(f"{written}; {', '.join(attempt.refusals)} rejected" if attempt.refusals else written)


def _not_rejected(
    identity: str, attempt: PublishAttempt, refusals: Mapping[str, tuple[str, ...]], cause: str
) -> Assessment | None:
    """The first of these operations that was not rejected as it has to be, or that left something behind."""
    # Nothing is written by a read, so its cause is another.
    causes = dict.fromkeys(refusals, cause) | {"read": _READABLE}
    for operation, lookup in attempt.lookups.items():
        if operation not in refusals:
            continue
        if operation in _KEEPS and lookup.present is False:
            return broken(f"{operation}: existing content is gone: {lookup.detail}", causes[operation])
        if operation not in _KEEPS and lookup.present:
            answer = attempt.answers.get(operation, "?")
            return broken(
                f"{operation} returned {answer} but was written: {lookup.detail}", causes[operation]
            )
    for operation in refusals:
        if is_accepted(answer := attempt.answers.get(operation, "?")):
            return broken(f"{operation} was accepted: {answer}", causes[operation])
    for operation, statuses in refusals.items():
        answer = attempt.answers.get(operation, "?")
        if identity == READER and attempt.identity != ANONYMOUS and is_unknown(answer):
            return unavailable(unknown_reader(f"{operation}: {answer}"))[0]
        if answer_status(answer) not in statuses:
            return broken(
                f"{operation} was rejected with {answer}, expected {' or '.join(statuses)}",
                "rejected for another reason, so a valid request may succeed; check the server's log",
            )
    return None


def _unknown(attempt: PublishAttempt) -> str:
    """The first lookup whose response does not say whether something is there, empty if all say it."""
    lookups = attempt.lookups.items()
    return next(
        (f"{operation}: {lookup.detail}" for operation, lookup in lookups if lookup.present is None), ""
    )


def _rejected(identity: str, attempt: PublishAttempt) -> Assessment:
    likely = "the server lets this identity write; enforce permissions on the server, not in the client"
    control = {
        operation: answer for operation, answer in attempt.control.items() if operation in attempt.answers
    }
    # Where whoever reads is anonymous, the reader's attempts are those of nobody.
    rejections = REJECTIONS[ANONYMOUS if attempt.identity == ANONYMOUS else identity]
    refusals = dict.fromkeys(attempt.answers, rejections) | dict(attempt.refusals)
    if not_rejected := _not_rejected(identity, attempt, refusals, likely):
        return not_rejected
    if accepted := _accepted_requests(attempt):
        return broken(
            f"the client reports a rejection, but the server returned {accepted[-1].status} for {accepted[-1].uri}",
            likely,
        )
    if attempt.no_writer is not None:
        return unavailable(attempt.no_writer)[0]
    failed = next(
        (f"{operation}: {answer}" for operation, answer in control.items() if not is_accepted(answer)), ""
    )
    if failed or not control:
        return unproven(f"the writer failed too, so a rejection proves nothing: {failed or 'no control'}")
    unknown = _unknown(attempt) if attempt.lookups else "nothing was read back"
    if unknown:
        return unproven(f"cannot read the target afterwards: {unknown}")
    if attempt.logged and not attempt.requests:
        return unproven("the server's log has no request from this identity, so it rejected nothing")
    statuses = sorted({answer_status(answer) for answer in attempt.answers.values()})
    return kept(
        f"{', '.join(attempt.answers)} rejected with {', '.join(statuses)} and absent afterwards; the writer succeeded"
    )


def _accepted_requests(attempt: PublishAttempt) -> list[AccessLogLine]:
    """The writes of this identity that the server's log calls accepted: of gRPC its own status counts, not HTTP's."""
    grpc_statuses = ("0",) if any(line.grpc for line in attempt.requests) else ("",)
    return [
        line
        for line in attempt.requests
        if line.method not in ("GET", "HEAD")
        and line.status in (200, 201, 202, 204)
        and line.grpc in grpc_statuses
    ]
