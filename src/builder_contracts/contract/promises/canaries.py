"""Promises about canaries: real workloads that a class builds. Shown by proofs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.declared import Declared

SHOWS: Mapping[str, str] = {
    "builds": "builds cold, as the class's user, within its budget",
    "runs": "what was built runs and says what it should",
    "artifacts": "what it hands on is complete: no link into a store, no path of the builder",
    "rebuild": "a rebuild is identical, bit for bit",
    "pure": "evaluates without looking around it",
    "lock": "its lock file says all that its inputs are",
}


@dataclass(frozen=True)
class CanaryProof:
    """One thing that a canary shows about the class that builds it."""

    canary: str
    show: str

    @property
    def text(self) -> str:
        return f"the canary {self.canary} {SHOWS[self.show]}"


def read(section: dict[str, Any], at: Pointer) -> Iterator[Declared[CanaryProof]]:
    for canary, shows in section.items():
        for index, show in enumerate(shows):
            yield Declared(f"{canary}-{show}", CanaryProof(canary, show), (*at, canary, index))
