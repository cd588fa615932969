"""Promises about the locale and the time zone of a job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise


@dataclass(frozen=True)
class Locale:
    """The locale that the job's variables select."""

    name: str

    @property
    def text(self) -> str:
        return f"locale {self.name}"


@dataclass(frozen=True)
class TimeZone:
    """The abbreviation of the job's time zone."""

    name: str

    @property
    def text(self) -> str:
        return f"time zone {self.name}"


LocalizationPromise = Locale | TimeZone


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[LocalizationPromise]]:
    for field, value in section.items():
        promise = Locale(value) if field == "locale" else TimeZone(value)
        yield NamedPromise(field.replace("_", "-"), promise, (*at, field))
