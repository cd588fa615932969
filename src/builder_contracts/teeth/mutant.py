"""Mutants of a promise, and the changes that promises of several sections share. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.promises import Promise
from builder_contracts.contract.promises.process import Bounds

OTHER = "something-else"
"""A word that no runner has."""

HUGE = 1 << 62
"""More than any runner has, in bytes or pieces."""


@dataclass(frozen=True)
class Mutant:
    """A promise that is false wherever the original is kept, and its change in words.

    ``if_kept`` is why a runner that keeps the original may keep this one too; empty if it cannot.
    """

    change: str
    promise: Promise
    if_kept: str = ""


def changed(promise: Any, change: str, **fields: Any) -> Mutant:
    """The promise with other values in these fields."""
    return Mutant(change, dataclasses.replace(promise, **fields))


def exact_list(promise: Any, field: str) -> Iterator[Mutant]:
    """A list that must be met exactly, with an entry more and with each entry less."""
    words = getattr(promise, field)
    yield changed(promise, f"also {OTHER}", **{field: (*words, OTHER)})
    for index, word in enumerate(words):
        yield changed(promise, f"without {word}", **{field: words[:index] + words[index + 1 :]})


def allowed(promise: Any, field: str) -> Iterator[Mutant]:
    """A list that allows, without each of its entries: false only for what the runner has."""
    words = getattr(promise, field)
    for word in sorted(words):
        rest = type(words)(other for other in words if other != word)
        shorter = dataclasses.replace(promise, **{field: rest})
        yield Mutant(f"without {word}", shorter, if_kept=f"{word} is allowed, and not in use")


def contrary_bounds(bounds: Bounds) -> Iterator[tuple[str, Bounds]]:
    """For each bound, the numbers on its other side."""
    for contrary in (
        None if bounds.at_least is None else Bounds(at_most=bounds.at_least - 1),
        None if bounds.at_most is None else Bounds(at_least=bounds.at_most + 1),
    ):
        if contrary is not None:
            yield contrary.text, contrary


_CONTRARY = {">=": "<", "<": ">=", ">": "<=", "<=": ">", "==": "!=", "!=": "==", "~=": "<"}


def contrary_ranges(text: str) -> Iterator[str]:
    """For each bound of a range of versions, the range on its other side."""
    for bound in text.split(","):
        sign, version = re.fullmatch(r"\s*([<>=!~]+)\s*(.*?)\s*", bound).groups()  # type: ignore[union-attr]  # it was read
        yield f"{_CONTRARY[sign]}{version}"
