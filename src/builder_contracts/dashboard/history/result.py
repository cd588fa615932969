"""One result of one clause, as a report file states it."""

from __future__ import annotations

from typing import NamedTuple

from builder_contracts.verdict import Outcome, Rung

SEVERITY: dict[Outcome, int] = {
    Outcome.KEPT: 0,
    Outcome.WAIVED: 1,
    Outcome.UNPROVEN: 2,
    Outcome.BROKEN: 3,
}
"""Of two results of one clause in one run the worse counts, so the order of reading does not matter."""


OLDEST = 946_684_800_000
"""The year 2000 in milliseconds since 1970: an older date comes from a clock that was never set."""


class MeasurementRow(NamedTuple):
    """A quantity that a canary measured, and the budget that it was given.

    ``quantity`` ends in its unit: ``_seconds``, ``_bytes``, ``_ratio`` (0 to 1) or ``_count``.
    """

    quantity: str
    value: float
    budget: float | None = None


ONE_WITNESS = "one witness: a second was possible, and has no result"
"""Stands among the witnesses of a result that only one of two could give."""


# A tuple, because half a million of them are read at once.
class Result(NamedTuple):
    """The result of one clause at one time.

    ``started`` is milliseconds since 1970 in UTC, None if the file states no time; ``seconds`` is how
    long it took; digests are ``sha256:…``, or empty if unknown; ``rung`` is
    None for a result that is not a verdict of a contract. ``host_limit``: unproven because this runner or host
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
    measurements: tuple[MeasurementRow, ...] = ()
    host_limit: bool = False
