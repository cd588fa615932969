"""Promises about caches: what a hit must prove, and what a client must reject. Judged by proofs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise

NIX: Mapping[str, str] = {
    "substituted": "a new path is fetched from the cache, not built",
    "source": "the cache itself serves the substituted paths to this runner",
    "key": "substituted paths are signed with the cache's key and verify with no other",
    "counterfactual": "the same command fails without the cache",
    "unsigned": "an unsigned path is rejected",
    "wrong-key": "a path signed by a different key of the same name is rejected",
    "stripped-references": "a path whose narinfo lacks its references is rejected",
    "swapped-nar": "a path whose content belongs to another path is rejected",
    "recovery": "a broken cache listed first does not prevent substitution",
}

BAZEL: Mapping[str, str] = {
    "hit": "with a fresh output base, every action is a remote cache hit",
    "digests": "the server's log lists every action digest the client counts as a hit",
    "counterfactual": "without the cache, the same command runs its actions locally",
    "nonce-miss": "a changed input misses the cache",
    "environment": "a changed environment outside the actions does not cause misses",
    "forced-upload": "the server rejects uploads from a read-only identity, whatever the client's settings",
    "poisoned": "building without the cache exposes a false result in the action cache",
    "corrupted": "a corrupted blob is detected and not used",
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
