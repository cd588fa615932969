"""The three outcomes of a clause, and how strong their evidence is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """What was found out about a promise.

    WAIVED is a broken promise that the contract excuses for a while: it is never counted as kept.
    """

    KEPT = "kept"
    BROKEN = "broken"
    UNPROVEN = "unproven"
    WAIVED = "waived"


class Rung(Enum):
    """How strong the evidence is; see docs/architecture.md for what each rung needs."""

    DECLARED = "C0"
    OBSERVED = "C1"
    EXERCISED = "C2"
    LIVE = "C3"
    SUSTAINED = "C4"


@dataclass(frozen=True)
class Measurement:
    """A quantity that was measured, and the budget that it was given.

    ``quantity`` ends in its unit: ``_seconds``, ``_bytes``, ``_ratio`` (0 to 1, its budget is a floor) or ``_count``.
    """

    quantity: str
    value: float
    budget: float | None = None


@dataclass(frozen=True)
class Assessment:
    """What a judge found: the outcome, what was seen, and where to look.

    ``likely`` names the probable cause of a broken promise and its mend. ``here`` is False for an
    unproven promise that this runner or host could never show: a loud skip instead of an error.
    """

    outcome: Outcome
    seen: str
    likely: str = ""
    look: str = ""
    declared: bool = False
    here: bool = True
    measures: tuple[Measurement, ...] = ()


# A runner can answer with empty texts; a reader needs words.
_SILENCE = "(it said nothing)"


def kept(seen: str, *, look: str = "", declared: bool = False) -> Assessment:
    """The promise holds; ``seen`` is the evidence. ``declared``: only the contract was looked at."""
    if not seen:
        raise ValueError("a kept promise needs evidence")
    return Assessment(Outcome.KEPT, seen, look=look, declared=declared)


def broken(seen: str, likely: str, *, look: str = "") -> Assessment:
    """We looked, and the promise does not hold."""
    return Assessment(Outcome.BROKEN, seen or _SILENCE, likely, look)


def unproven(reason: str, *, here: bool = True, look: str = "") -> Assessment:
    """We could not look. ``here`` False: this runner or host can never show it."""
    return Assessment(Outcome.UNPROVEN, reason or _SILENCE, look=look, here=here)


@dataclass(frozen=True)
class Verdict:
    """The answer to one clause with everything that a reader or a report needs.

    ``started`` is an RFC 3339 time in UTC; ``seconds`` is what the observation behind the answer took;
    digests are ``sha256:…`` or empty where there is no image. ``identity`` is what a real runner shows of itself.
    """

    clause: str
    outcome: Outcome
    rung: Rung | None
    promised: str
    seen: str
    source: str
    likely: str = ""
    look: str = ""
    why: str = ""
    here: bool = True
    image: str = ""
    image_digest: str = ""
    contract_digest: str = ""
    engine: str = ""
    host: str = ""
    runner: str = ""
    identity: str = ""
    environment: str = ""
    started: str = ""
    seconds: float = 0.0
    witnesses: tuple[str, ...] = ()
    measures: tuple[Measurement, ...] = ()
