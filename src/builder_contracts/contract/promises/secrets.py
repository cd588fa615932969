"""Promises that no secret stands in the image. Forms of known tokens are looked for, never names alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise

PLACES = {
    "environment": "no environment variable of the image or the job holds a secret",
    "labels": "no image label holds a secret",
    "history": "no command in the image's history holds a secret",
}


@dataclass(frozen=True)
class SecretFree:
    """A place of the image's configuration that holds no secret: environment, labels or history."""

    place: str

    @property
    def text(self) -> str:
        return PLACES[self.place]


@dataclass(frozen=True)
class SecretFreeFiles:
    """Directories whose readable files hold no secret."""

    directories: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"no file under {', '.join(self.directories)} holds a secret"


SecretPromise = SecretFree | SecretFreeFiles


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[SecretPromise]]:
    for field, value in section.items():
        promise = SecretFreeFiles(tuple(value)) if field == "files" else SecretFree(field)
        yield NamedPromise(field, promise, (*at, field))
