"""Assessments, which judges return, and verdicts, which reports carry."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from builder_contracts.errors import Location

if TYPE_CHECKING:
    from builder_contracts.contract.promises import Promise

Json: TypeAlias = Any
"""Plain data: what JSON can hold."""


class Outcome(Enum):
    """The outcome of a promise.

    WAIVED is a broken promise that the contract excuses for a while: it never counts as kept.
    """

    KEPT = "kept"
    BROKEN = "broken"
    UNPROVEN = "unproven"
    WAIVED = "waived"


class Rung(Enum):
    """The strength of evidence; see docs/architecture.md for what each rung needs."""

    DECLARED = "C0"
    OBSERVED = "C1"
    EXERCISED = "C2"
    LIVE = "C3"
    SUSTAINED = "C4"


@dataclass(frozen=True)
class Measurement:
    """A measured quantity and its budget.

    ``quantity`` ends in its unit: ``_seconds``, ``_bytes``, ``_ratio`` (0 to 1, its budget is a floor) or ``_count``.
    """

    quantity: str
    value: float
    budget: float | None = None


@dataclass(frozen=True)
class Assessment:
    """The result of a judge: the outcome, the observation, and a way to check it.

    ``cause`` is the probable cause of a broken promise, ``fix`` what to do about it. ``inspect`` is a path into the
    facts, as jq has it. ``provable_here`` is False for an unproven promise that this runner or host can never show: a
    loud skip instead of an error. ``checked`` of ``total`` candidates were looked at, if the promise is about several.
    ``observed`` is the value behind ``observation``, if ``inspect`` does not show it. ``set_by_run``: this run itself gave the
    runner what is promised, so the promise is declared only.
    """

    outcome: Outcome
    observation: str
    cause: str = ""
    inspect: str = ""
    declared: bool = False
    provable_here: bool = True
    measurements: tuple[Measurement, ...] = ()
    fix: str = ""
    checked: int | None = None
    total: int | None = None
    observed: Json = None
    set_by_run: bool = False


# A runner can return empty texts; a reader needs words.
_SILENCE = "(no output)"


def kept(
    observation: str,
    *,
    inspect: str = "",
    declared: bool = False,
    checked: int | None = None,
    total: int | None = None,
    observed: Json = None,
) -> Assessment:
    """The promise holds; ``observation`` is the evidence. ``declared``: only the contract was read."""
    if not observation:
        raise ValueError("a kept promise needs evidence")
    return Assessment(
        Outcome.KEPT,
        observation,
        inspect=inspect,
        declared=declared,
        checked=checked,
        total=total,
        observed=observed,
    )


def broken(
    observation: str,
    cause: str,
    *,
    inspect: str = "",
    fix: str = "",
    checked: int | None = None,
    total: int | None = None,
    observed: Json = None,
) -> Assessment:
    """The promise was checked and does not hold."""
    return Assessment(
        Outcome.BROKEN,
        observation or _SILENCE,
        cause,
        inspect,
        fix=fix,
        checked=checked,
        total=total,
        observed=observed,
    )


def unproven(
    reason: str,
    *,
    provable_here: bool = True,
    inspect: str = "",
    checked: int | None = None,
    total: int | None = None,
) -> Assessment:
    """The promise could not be checked. ``provable_here`` False: this runner or host can never show it."""
    return Assessment(
        Outcome.UNPROVEN,
        reason or _SILENCE,
        inspect=inspect,
        provable_here=provable_here,
        checked=checked,
        total=total,
    )


@dataclass(frozen=True)
class Contradiction:
    """Two places that cannot both be right; the fix is about ``location``, mostly in the judged checkout.

    Files in the checkout are relative to its root; others are absolute paths, or URLs. ``fingerprint`` stays the same
    while lines move; equal lines share it.
    """

    location: Location
    text: str
    other: Location
    other_text: str
    fix: str
    fingerprint: str


@dataclass(frozen=True)
class Origin:
    """The origin of a verdict.

    Digests are ``sha256:…``, or empty if there is no image. ``runner`` is the runner's kind, ``attribution`` what a
    real runner shows of itself. ``run`` is the id of the run. ``started`` is an RFC 3339 time in UTC; ``seconds`` is
    what the observation or experiment took. ``start`` is how the job was started.
    """

    image: str = ""
    image_digest: str = ""
    contract_digest: str = ""
    engine: str = ""
    host: str = ""
    runner: str = ""
    attribution: str = ""
    environment: str = ""
    run: str = ""
    started: str = ""
    seconds: float = 0.0
    start: str = ""


class Promised(Protocol):
    """The part of a clause that a verdict takes over; a platform's clause promises in words alone."""

    @property
    def id(self) -> str: ...
    @property
    def promise(self) -> Promise | str: ...
    @property
    def source(self) -> Location: ...
    @property
    def why(self) -> str | None: ...


@dataclass(frozen=True)
class Verdict:
    """The answer to one clause with everything that a reader or a report needs.

    ``expected`` is the promise as data, ``observed`` the fact behind the ``observation``; both are None where there
    is only text. ``one_witness`` is True where two witnesses were possible and only one has a result. ``inspect`` is the
    command that shows the fact. ``location`` is where the promise is written. ``set_by_run`` is True where the run
    itself gave the runner what is promised.
    """

    clause: str
    outcome: Outcome
    rung: Rung | None
    promise: str
    observation: str
    location: Location
    cause: str = ""
    fix: str = ""
    inspect: str = ""
    why: str = ""
    provable_here: bool = True
    expected: Json = None
    observed: Json = None
    checked: int | None = None
    total: int | None = None
    witnesses: tuple[str, ...] = ()
    one_witness: bool = False
    contradictions: tuple[Contradiction, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    origin: Origin = Origin()
    set_by_run: bool = False

    @classmethod
    def of(
        cls,
        clause: Promised,
        assessment: Assessment,
        origin: Origin,
        *,
        rung: Rung | None,
        inspect: str = "",
        witnesses: tuple[str, ...] = (),
        one_witness: bool = False,
        contradictions: tuple[Contradiction, ...] = (),
        observed: Json = None,
    ) -> Verdict:
        """The verdict on a clause. ``rung`` is what the evidence reaches; what is unproven reaches none."""
        text = clause.promise if isinstance(clause.promise, str) else clause.promise.text
        return cls(
            clause=clause.id,
            outcome=assessment.outcome,
            rung=None if assessment.outcome is Outcome.UNPROVEN else rung,
            promise=text,
            observation=assessment.observation,
            location=clause.source,
            cause=assessment.cause,
            fix=assessment.fix,
            inspect=inspect,
            why=clause.why or "",
            provable_here=assessment.provable_here,
            expected=None if isinstance(clause.promise, str) else as_json(clause.promise),
            observed=assessment.observed if observed is None else observed,
            checked=assessment.checked,
            total=assessment.total,
            witnesses=witnesses,
            one_witness=one_witness and assessment.outcome is not Outcome.UNPROVEN,
            contradictions=contradictions,
            measurements=assessment.measurements,
            origin=origin,
            set_by_run=assessment.set_by_run,
        )

    @property
    def builder(self) -> str:
        """The builder class, or ``platform``."""
        return self.clause.partition("/")[0]

    @property
    def section(self) -> str:
        """The section of the contract that holds the clause."""
        return self.clause.split("/", 2)[1]

    @property
    def local_id(self) -> str:
        """The clause's id within its contract: ``toolchain/xz``."""
        return self.clause.partition("/")[2]


def as_json(value: object) -> Json:
    """A promise or a fact as plain data: fields by name, sets as sorted lists, patterns as their text."""
    match value:
        case str() if value.isascii():
            return value
        case None | bool() | int() | float():
            return value
        case str():
            # A file name of other bytes can be neither written as UTF-8 nor sent to another process.
            return value.encode("utf-8", "backslashreplace").decode()
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case Enum():
            return as_json(value.value)
        case re.Pattern():
            return as_json(value.pattern)
        case Mapping():
            return {as_json(str(key)): as_json(item) for key, item in value.items()}
        case Set():
            return sorted((as_json(item) for item in value), key=repr)
        case list() | tuple():
            return [as_json(item) for item in value]
        case _:
            return as_json(str(value))


CLOCK_SKEW = timedelta(minutes=1)
"""How far the clocks of two machines may differ before evidence is from the future."""


def age_in_words(age: timedelta) -> str:
    """An age in its two largest units: ``3 h 12 min``."""
    seconds = max(0, int(age.total_seconds()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{seconds} s"
