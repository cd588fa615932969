"""The result of a rule at one location: it agrees, it contradicts, or it is unknown."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

from builder_contracts.errors import Location


@dataclass(frozen=True)
class Quote:
    """One side of a comparison: a location and its content."""

    at: Location
    says: str

    def __str__(self) -> str:
        return f"{self.at}  {self.says}"


@dataclass(frozen=True)
class Agrees:
    """A place that keeps the promise."""

    at: Location


@dataclass(frozen=True)
class Contradicts:
    """Two places that cannot both be right. ``actual`` is in the checkout, and the fix is about it."""

    actual: Quote
    expected: Quote
    fix: str


@dataclass(frozen=True)
class Absent:
    """A search without a hit for something forbidden; ``searched`` names its extent."""

    searched: str


@dataclass(frozen=True)
class Undetermined:
    """A place that the promise is about and whose value is unknown.

    ``decidable`` is False where no checkout can contain the value: what comes from elsewhere at run time.
    """

    at: Location
    reason: str
    decidable: bool = True


RuleResult: TypeAlias = Agrees | Absent | Contradicts | Undetermined


@dataclass(frozen=True)
class Finding:
    """A contradiction and the clause that it breaks.

    ``why`` states who is hurt, empty if a class's contract does not; ``ground`` quotes the paragraph that a promise of
    the platform rests on, and is empty for a class's.
    """

    clause: str
    promise: str
    why: str
    ground: str
    actual: Quote
    expected: Quote
    fix: str

    @property
    def reasons(self) -> tuple[str, ...]:
        """The consequence for a job, in the words of the contract and of the document that it rests on."""
        return tuple(filter(None, (self.why, self.ground)))

    @property
    def witness(self) -> str:
        """Both sides in one line, as the verdict on the clause carries them."""
        return f"{self.actual} <> {self.expected}"

    @property
    def fingerprint(self) -> str:
        """A hash of the clause, the file and both texts, so it is stable while lines move."""
        parts = (self.clause, self.actual.at.file, self.actual.says, self.expected.says)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
