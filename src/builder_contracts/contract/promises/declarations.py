"""Promises that are declared rather than observed: labels and responsibilities (rung C0)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise


@dataclass(frozen=True)
class Label:
    """Jobs select the class by this label."""

    label: str

    @property
    def text(self) -> str:
        return f"runs-on: {self.label} selects this class"


@dataclass(frozen=True)
class Responsibility:
    """A promise in words, carried by the named clauses of the same contract."""

    words: str
    shown_by: tuple[str, ...]

    @property
    def text(self) -> str:
        return self.words


Declaration = Label | Responsibility


def read_labels(section: list[str], at: Pointer) -> Iterator[NamedPromise[Label]]:
    for index, label in enumerate(section):
        yield NamedPromise(label, Label(label), (*at, index))


def read_responsibilities(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[Responsibility]]:
    for name, value in section.items():
        yield NamedPromise(name, Responsibility(value["promise"], tuple(value["shown_by"])), (*at, name))
