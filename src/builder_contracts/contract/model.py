"""Data model of a contract and its clauses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from builder_contracts.contract.promises import Promise
from builder_contracts.errors import Location


@dataclass(frozen=True)
class Waiver:
    """Permission to be broken through the last day ``until`` (UTC)."""

    reason: str
    until: date
    source: Location


@dataclass(frozen=True)
class Clause:
    """One checkable promise of a builder class.

    ``kind`` is the section of the contract, ``name`` the subject; ``source`` is where the promise
    stands, which is another file when the class inherits it.
    """

    builder: str
    kind: str
    name: str
    promise: Promise
    source: Location
    waiver: Waiver | None = None
    why: str | None = None

    @property
    def local_id(self) -> str:
        """The id within the contract: ``toolchain/xz``."""
        return f"{self.kind}/{self.name}"

    @property
    def id(self) -> str:
        """The id among all contracts: ``tinyland-nix/toolchain/xz``."""
        return f"{self.builder}/{self.local_id}"


AUTOMATIC_LABELS = frozenset({"self-hosted", "linux", "x64", "arm", "arm64"})
"""Labels that GitHub gives to every Linux runner that registers by itself; scale sets do not get them.

Source: https://docs.github.com/en/actions/how-tos/manage-runners/self-hosted-runners/use-in-a-workflow
"""


@dataclass(frozen=True)
class Contract:
    """A builder class with its clauses in the order of the file.

    ``document`` is the merged plain data that the schema has accepted; ``digest`` (``sha256:…``) is of
    that data, so that comments and spelling do not change it. ``settings`` are the variables that ``--set`` gave it,
    ``platform`` is the one of its platforms that is asked for, or nothing.
    """

    name: str
    summary: str
    owner: str
    labels: tuple[str, ...]
    image: str
    source: Location
    digest: str
    clauses: tuple[Clause, ...]
    document: Mapping[str, Any]
    settings: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""

    def clause(self, local_id: str) -> Clause | None:
        """The clause of that id (``toolchain/xz``), or None."""
        return next((clause for clause in self.clauses if clause.local_id == local_id), None)

    def promised(self, kind: type[Any]) -> list[Any]:
        """All promises of one type, in the order of the file."""
        return [clause.promise for clause in self.clauses if isinstance(clause.promise, kind)]
