"""Promises about caches: what a hit is worth, and what a cache must not get away with. Shown by proofs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise

NIX: Mapping[str, str] = {
    "substituted": "a path that never existed before comes from the cache and is not built",
    "source": "the cache itself serves what is substituted, to this runner",
    "key": "what is substituted carries the cache's key, and verifies with no other",
    "counterfactual": "without the cache the same command fails",
    "unsigned": "a path without a signature is refused",
    "wrong-key": "a path signed by another key of the same name is refused",
    "stripped-references": "a path whose references were taken out of its description is refused",
    "swapped-nar": "another path's content under this path's description is refused",
    "recovery": "a bad cache in front of the good one does no harm",
}

BAZEL: Mapping[str, str] = {
    "hit": "a fresh output base gets every action from the remote cache",
    "digests": "the server's log names the action digests that the client counts as hits",
    "counterfactual": "without the cache the same command runs its actions itself",
    "nonce-miss": "a changed input misses the cache",
    "environment": "a changed environment around the actions does not miss",
    "forced-upload": "the server refuses uploads of an identity that may only read, whatever the client is told",
    "poisoned": "a false result in the action cache is found by building without it",
    "corrupted": "a blob that changed in the store is noticed and not used",
}

BAZEL_WRITE: Mapping[str, str] = {"upload": "a cold build uploads every result"}

ACCESS = {"read": "reads", "read-write": "reads and writes"}


@dataclass(frozen=True)
class CacheProof:
    """One experiment with the cache of a role (nix, bazel-grpc, bazel-http).

    ``show`` names the experiment; ``access`` is what a job of the class may do: read or read-write.
    """

    role: str
    access: str
    show: str

    @property
    def text(self) -> str:
        proofs = NIX if self.role == "nix" else {**BAZEL, **BAZEL_WRITE}
        return f"{self.role} cache, which a job {ACCESS[self.access]}: {proofs[self.show]}"


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[CacheProof]]:
    for role, access in section.items():
        proofs = dict(NIX) if role == "nix" else dict(BAZEL)
        if role != "nix" and access == "read-write":
            proofs = {**BAZEL_WRITE, **BAZEL}
        for show in proofs:
            yield NamedPromise(f"{role}-{show}", CacheProof(role, access, show), (*at, role))
