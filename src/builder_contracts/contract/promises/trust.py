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


@dataclass(frozen=True)
class TlsTool:
    """The tool accepts a TLS server by the CA bundle, and by nothing else."""

    name: str

    @property
    def text(self) -> str:
        return f"{self.name} trusts the authorities of the CA bundle and no other"


TrustPromise = Certificates | TlsTool


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[TrustPromise]]:
    for field, value in section.items():
        match field:
            case "certificates":
                yield NamedPromise(field, Certificates(value), (*at, field))
            case "tools":
                for index, name in enumerate(value):
                    yield NamedPromise(f"tool/{name}", TlsTool(name), (*at, field, index))
            case _:
                raise NotImplementedError(f"trust.{field} is in the schema and has no promise")
