"""Promises about Nix as a job has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise


@dataclass(frozen=True)
class NixSetting:
    """The value of a setting in effect, as words: all of them in this order, in any order, or among others.

    ``match`` is equal, same or contains.
    """

    name: str
    words: tuple[str, ...]
    match: str = "equal"

    @property
    def text(self) -> str:
        verb = "contains" if self.match == "contains" else "is"
        return f"Nix setting {self.name} {verb} {' '.join(self.words) or 'empty'}"


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[NixSetting]]:
    for field, settings in section.items():
        if field != "settings":
            raise NotImplementedError(f"nix.{field} is in the schema and has no promise")
        for name, value in settings.items():
            yield NamedPromise(f"setting/{name}", _setting(name, value), (*at, field, name))


def _setting(name: str, value: Any) -> NixSetting:
    match value:
        case {"contains": list(words)}:
            return NixSetting(name, tuple(words), "contains")
        case list(words):
            return NixSetting(name, tuple(words), "same")
        case bool():
            return NixSetting(name, (str(value).lower(),))
        case _:
            return NixSetting(name, tuple(str(value).split()))
