"""One result of one clause, as a file of a run tells it."""

from __future__ import annotations

from typing import NamedTuple

from builder_contracts.evidence.verdict import Outcome, Rung

SEVERITY: dict[Outcome, int] = {
    Outcome.KEPT: 0,
    Outcome.WAIVED: 1,
    Outcome.UNPROVEN: 2,
    Outcome.BROKEN: 3,
}
"""Which of two answers to one question counts: the worse one, so that the order of reading cannot matter."""


OLDEST = 946_684_800_000
"""The year 2000 in milliseconds since 1970: what claims to be older was written under a clock that nobody set."""


class Measurement(NamedTuple):
    """A quantity that a canary measured, and the budget that it was given.

    ``quantity`` ends in its unit: ``_seconds``, ``_bytes``, ``_ratio`` (0 to 1) or ``_count``.
    """

    quantity: str
    value: float
    budget: float | None = None


# A tuple, because half a million of them are read at a time.
class Result(NamedTuple):
    """The answer to one clause at one time.

    ``started`` is milliseconds since 1970 in UTC, None where the file states no time; ``seconds`` is how
    long the answer took; digests are ``sha256:…`` or empty where nothing is known of them; ``rung`` is
    None for a result that is no verdict of a contract. ``host_limit``: unproven because this runner or host
    can never prove it, such as a limit of 4 CPUs on a host with 2.
    """

    environment: str
    builder: str
    kind: str
    name: str
    verdict: Outcome
    rung: Rung | None
    started: int | None
    seconds: float
    promised: str = ""
    seen: str = ""
    source: str = ""
    likely: str = ""
    look: str = ""
    why: str = ""
    image: str = ""
    image_digest: str = ""
    contract_digest: str = ""
    engine: str = ""
    host: str = ""
    runner: str = ""
    identity: str = ""
    simulated: bool = False
    witnesses: tuple[str, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    host_limit: bool = False
