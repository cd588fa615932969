"""Judges attempts to publish. Pure."""

from __future__ import annotations

import dataclasses

from builder_contracts.prove.nix.judge import Judged
from builder_contracts.prove.records import CheckResult as Seen
from builder_contracts.prove.records import PublishAttempt, Unavailable, accepted, status
from builder_contracts.verdict import Assessment, broken, kept, unproven

# What each protocol says to somebody unknown, and to somebody known who may not.
REFUSALS = {
    "anonymous": ("401", "403", "UNAUTHENTICATED", "AccessDenied"),
    "reader": ("403", "PERMISSION_DENIED", "AccessDenied"),
}
# What was there before and has to be there still.
_KEEPS = ("delete",)


def judge(identity: str, attempt: PublishAttempt | Unavailable | None) -> Judged:
    """The finding on what an identity can publish to one target."""
    if attempt is None:
        return unproven("nothing was tried"), ()
    if isinstance(attempt, Unavailable):
        return unproven(attempt.reason, here=attempt.here), ()
    said = "; ".join(f"{what}: {answer[:120]}" for what, answer in attempt.answers.items())
    statuses = [str(line.status if not line.grpc else f"grpc {line.grpc}") for line in attempt.seen_by_server]
    looked = "; ".join(f"{what}: {look.said[:80]}" for what, look in attempt.found.items())
    witnesses = (
        f"client ({attempt.client}) as {identity}: {said}",
        (
            f"server: logs {', '.join(statuses[:8]) or 'no request of it'}"
            if attempt.logged
            else "server: a deployment's own, its log is not at hand"
        )
        + f"; read back {looked}"
        + (f"; {attempt.left}" if attempt.left else ""),
    )
    lost = next((f"{what}: {answer}" for what, answer in attempt.answers.items() if _is_lost(answer)), "")
    if lost:
        return unproven(f"the target did not answer, so nothing was refused: {lost}"), witnesses
    if identity == "writer":
        return _allowed(attempt), witnesses
    return _refused(identity, attempt), witnesses


def _allowed(attempt: PublishAttempt) -> Assessment:
    taken = [
        line
        for line in attempt.seen_by_server
        if line.method != "GET" and line.status in (200, 201, 202, 204)
    ]
    gone = next(((what, look) for what, look in attempt.found.items() if look.present is False), None)
    if gone is not None and taken and all(line.grpc in ("", "0") for line in taken):
        return broken(
            f"the server answered {taken[-1].status} to {taken[-1].uri}, and {gone[0]} is not there: {gone[1].said}",
            "writes are dropped without a word: look at the proxy and at the store behind it",
        )
    said = next((answer for answer in attempt.answers.values() if status(answer) in ("401", "403")), "")
    if gone is not None and not attempt.logged and not said:
        return broken(
            f"{gone[0]} was answered {attempt.answers.get(gone[0], '?')}, and is not there: {gone[1].said}",
            "writes are dropped without a word: look at the proxy and at the store behind it",
        )
    for what, answer in attempt.answers.items():
        if not accepted(answer):
            return broken(
                f"{what} was refused to the writer: {answer}",
                "the writer's credentials, or the server's rights for them",
            )
    for what, look in attempt.found.items():
        if look.present is not True:
            return unproven(f"what was written could not be looked for: {what}: {look.said}")
    if attempt.logged and not attempt.seen_by_server:
        return broken(
            "the client says that it wrote, the server's log has no request of it",
            "another server answered: compare names and proxies",
        )
    return kept(f"{', '.join(attempt.answers)} arrived and was read back by {attempt.looker}")


def _refused(identity: str, attempt: PublishAttempt) -> Assessment:
    likely = "the server lets this identity write; enforce its rights in the server, not in the client"
    control = {what: answer for what, answer in attempt.control.items() if what in attempt.answers}
    for what, look in attempt.found.items():
        if what in _KEEPS and look.present is False:
            return broken(f"{what}: what was there before is gone: {look.said}", likely)
        if what not in _KEEPS and look.present:
            return broken(
                f"{what} was answered {attempt.answers.get(what, '?')} and is there: {look.said}", likely
            )
    for what, answer in attempt.answers.items():
        if accepted(answer):
            return broken(f"{what} was accepted: {answer}", likely)
        if status(answer) not in REFUSALS[identity]:
            return broken(
                f"{what} was refused with {answer}, not with {' or '.join(REFUSALS[identity])}",
                "refused for another reason, so that a valid request might pass: see what the server says",
            )
    if attempt.no_writer is not None:
        return unproven(attempt.no_writer.reason, here=attempt.no_writer.here)
    failed = next((f"{what}: {answer}" for what, answer in control.items() if not accepted(answer)), "")
    if failed or not control:
        return unproven(
            f"the writer did not succeed either, so a refusal shows nothing: {failed or 'no control'}"
        )
    unknown = next(
        (f"{what}: {look.said}" for what, look in attempt.found.items() if look.present is None), ""
    )
    if unknown:
        return unproven(f"the target could not be read afterwards: {unknown}")
    if attempt.logged and not attempt.seen_by_server:
        return unproven("the server's log has no request of this identity, so it refused nothing")
    return kept(
        f"{', '.join(attempt.answers)} refused with {', '.join(sorted({status(answer) for answer in attempt.answers.values()}))}, absent afterwards; the writer succeeds"
    )


def judge_seen(seen: Seen | Unavailable | None) -> Judged:
    """The finding on something that an experiment has looked at itself."""
    if seen is None:
        return unproven("the experiment was not carried out"), ()
    if isinstance(seen, Unavailable):
        return unproven(seen.reason, here=seen.here), ()
    finding = kept(seen.said) if seen.good else broken(seen.said, seen.likely)
    return dataclasses.replace(finding, measures=seen.measures), seen.witnesses


def _is_lost(answer: str) -> bool:
    said = status(answer)
    return said == "LOST" or (len(said) == 3 and said.startswith("5"))
