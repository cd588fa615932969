"""A declared promise with its name and location: the result of every module of this package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from builder_contracts.contract.document import Pointer

P_co = TypeVar("P_co", covariant=True)


@dataclass(frozen=True)
class NamedPromise(Generic[P_co]):
    """A promise under its name within its kind (``xz`` in ``toolchain/xz``)."""

    name: str
    promise: P_co
    pointer: Pointer


class PromiseError(Exception):
    """A value that has the right form and still cannot be meant: says what and what would be right.

    ``against`` is the other side of a contradiction, which may be in a base.
    """

    def __init__(self, pointer: Pointer, message: str, fix: str, *, against: Pointer | None = None) -> None:
        super().__init__(message)
        self.against = against
        self.pointer = pointer
        self.message = message
        self.fix = fix


def port(text: str, at: Pointer) -> int:
    """The port behind the last colon of an address. Raises Fault for one that nothing can listen on."""
    number = int(text.rpartition(":")[2])
    if not 0 < number < 65536:
        raise PromiseError(at, f"invalid port in {text!r}", "use a port from 1 to 65535")
    return number
