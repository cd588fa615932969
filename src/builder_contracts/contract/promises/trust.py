"""Promises about the certificate authorities that a job's programs trust."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise


@dataclass(frozen=True)
class Certificates:
    """The least number of certificates in the CA bundle."""

    at_least: int

    @property
    def text(self) -> str:
        return f"CA bundle holds at least {self.at_least} certificate{'s' if self.at_least > 1 else ''}"


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[Certificates]]:
    for field, value in section.items():
        yield NamedPromise(field, Certificates(value), (*at, field))
