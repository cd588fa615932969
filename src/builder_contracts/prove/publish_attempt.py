"""An attempt to write as one identity, by raw requests, ``nix copy`` or ``docker push``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.class_settings import ClassSetting
from builder_contracts.prove.store_lookup import ANOTHER, StoreLookup
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.services.principals import ANONYMOUS, READER, WRITER

IDENTITIES = (ANONYMOUS, READER, WRITER)
"""Who tries to publish to each target."""


@dataclass(frozen=True)
class PublishAttempt:
    """The writes of one identity to one target, and their results.

    ``answers`` map an operation to what came back: an HTTP status, a gRPC status name or an S3 error code, and a
    detail. ``lookups`` are what an independent reader, ``reader``, found afterwards. ``control`` is what an allowed
    identity got in the same run; ``no_writer``: nobody who may write took part, for this reason, so that a rejection
    proves nothing. Not ``logged``: the target is deployed, its log is unavailable; ``leftovers`` then says what became
    of all that was written. ``plain``: what the same command got by the class's own settings, if it failed so that these
    are the forced one's answers; ``settings`` are the class's own that can explain it. ``refusals`` are the exact answers to operations that have to be
    rejected, where the protocol knows them better than the identity alone tells.
    """

    identity: str
    answers: Mapping[str, str]
    lookups: Mapping[str, StoreLookup]
    control: Mapping[str, str]
    requests: tuple[AccessLogLine, ...] = ()
    client: str = ""
    logged: bool = True
    leftovers: str = ""
    reader: str = ANOTHER
    no_writer: Unavailable | None = None
    plain: str = ""
    settings: tuple[ClassSetting, ...] = ()
    refusals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def as_control(self) -> Mapping[str, str]:
        """The answers as a control for others: what was accepted and is absent afterwards is not a success."""
        absent = {operation for operation, lookup in self.lookups.items() if lookup.present is False}
        return {
            operation: f"dropped despite response {answer}"
            if operation in absent and is_accepted(answer)
            else answer
            for operation, answer in self.answers.items()
        }


def answer_status(answer: str) -> str:
    """Return what a protocol answered, without the detail behind it."""
    return answer.partition(" ")[0]


def is_accepted(answer: str) -> bool:
    """Return whether a write was accepted, as far as its answer goes."""
    return answer_status(answer) in ("200", "201", "202", "204", "OK")


def is_no_response(answer: str) -> bool:
    """Return whether a server did not answer, or failed to: that shows nothing of its rules."""
    status = answer_status(answer)
    return status == "LOST" or (len(status) == 3 and status.startswith("5"))


def is_unknown(answer: str) -> bool:
    """Return whether a server does not know who asks: credentials that are missing or wrong, not rights that are."""
    return answer_status(answer) in ("401", "UNAUTHENTICATED", "InvalidAccessKeyId", "SignatureDoesNotMatch")


def unknown_reader(answer: str) -> Unavailable:
    """Why a reader that the server does not know shows nothing."""
    return Unavailable(
        f"the reader's credentials are not known to the server, so its rejection shows nothing: {answer}"
    )


def is_put_unsupported(answer: str) -> bool:
    """Return whether a server does not support this way of writing, for any identity."""
    return answer_status(answer) in ("405", "501")


def put_unsupported(url: str) -> Unavailable:
    """Return the reason why such a server proves nothing."""
    reason = "its upload protocol is neither that nor Attic's"
    return Unavailable.never(f"{url} does not accept HTTP PUT uploads: {reason}")


def with_control(
    attempts: Mapping[str, PublishAttempt | Unavailable],
    *,
    anonymous_reader: bool = False,
    leftovers: str = "",
) -> dict[str, PublishAttempt | Unavailable]:
    """Return the attempts of several identities, each with the writer's result, or the reason why no writer attempted it.

    ``leftovers`` is what became of all that they wrote, if the attempts do not say it themselves.
    """
    writer = attempts.get(WRITER)
    control = writer.as_control() if isinstance(writer, PublishAttempt) else {}
    no_writer = writer if isinstance(writer, Unavailable) else None
    if anonymous_reader and ANONYMOUS in attempts:
        # Who only reads is nobody, so nobody's attempts are the reader's.
        attempts = {**attempts, READER: attempts[ANONYMOUS]}
    return {
        identity: dataclasses.replace(
            attempt, control=control, no_writer=no_writer, leftovers=attempt.leftovers or leftovers
        )
        if isinstance(attempt, PublishAttempt)
        else attempt
        for identity, attempt in attempts.items()
    }
