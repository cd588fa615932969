"""Promises about publishing: who may publish to which target, and that no secret leaks. Judged by proofs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise

BOUNDARY: Mapping[str, str] = {
    "anonymous": "writes without credentials are rejected and leave nothing behind",
    "reader": "writes with read-only credentials are rejected and leave nothing behind",
    "writer": "writes with the writer's credentials succeed and read back from outside",
}

STATE: Mapping[str, str] = {
    "second-lock": "a second holder of a state lock is rejected",
    "race": "of many who lock a state at once, one succeeds",
    "reader-lock": "an identity that may only read cannot lock a state",
    "anonymous-lock": "nobody can lock a state without credentials",
    "unlock-by-other": "an identity that may only read cannot release a state lock",
    "old-state": "an overwritten state can be restored",
}

HTTP_STATE: Mapping[str, str] = {
    **STATE,
    "unlock-by-other": "neither another ID nor an identity that may only read releases a state lock",
    "write-without-lock": "a state is not written without the ID of its lock",
    "stale-holder": "a holder whose lock was released cannot write the state",
    "versions": "each state that was written can be read by its serial",
}


@dataclass(frozen=True)
class PublicationProof:
    """One attempt to publish to a target (nix, bazel-grpc, bazel-http, registry, objects, state).

    ``rule`` is never or with-credential; ``show`` names the experiment.
    """

    target: str
    rule: str
    show: str

    @property
    def text(self) -> str:
        return f"publication to {self.target}, {self.rule}: {self._shown}"

    @property
    def _shown(self) -> str:
        shows = HTTP_STATE if self.target == "state" else STATE
        return {**BOUNDARY, **shows}[self.show]


@dataclass(frozen=True)
class NoSecrets:
    """The absence of the planted secret from everything that the class published or logged."""

    @property
    def text(self) -> str:
        return "no secret visible to jobs appears in published artifacts or logs, whether plain, encoded or compressed"


Publication = PublicationProof | NoSecrets


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[Publication]]:
    for target, rule in section.items():
        # A class that never publishes holds no writer's credentials to try.
        shows = [show for show in BOUNDARY if rule == "with-credential" or show != "writer"]
        shows += {"objects": STATE, "state": HTTP_STATE}.get(target, {})
        for show in shows:
            yield NamedPromise(f"{target}-{show}", PublicationProof(target, rule, show), (*at, target))
    yield NamedPromise("no-secrets", NoSecrets(), at)
