"""Explain the promises that need a proof; docs/proofs has the complete description of each."""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.promises import ProofPromise
from builder_contracts.contract.promises.caches import CacheProof
from builder_contracts.contract.promises.canaries import CanaryProof
from builder_contracts.contract.promises.publication import NoSecrets, PublicationProof
from builder_contracts.judge.explanation import Explanation

_UNPROVEN = (
    "A service of the run died or did not respond (5xx, timeout, DNS), or the positive control failed. "
    "In a live environment, also if the proof must write and --allow-writes does not name the role."
)


def explain(promise: ProofPromise) -> Explanation:
    """The explanation of a promise that needs a proof."""
    match promise:
        case CacheProof(role=role):
            return Explanation(
                how="A writer publishes a new path or action and a fresh runner of the class fetches it; "
                "the client's structured log and the server's log must agree. "
                "If the server is deployed and its log unavailable, a second identity checks instead.",
                unproven=_UNPROVEN,
                why="A cache that silently misses, serves from the wrong place or serves unsigned content costs days; "
                "users only notice slow or wrong builds.",
                breaks="A wrong URL or key, a proxy that rewrites responses, a client that trusts too much.",
                fix=f"Repeat the proof by hand with docs/reference/proofs/{'nix' if role == 'nix' else 'bazel'}.md.",
            )
        case PublicationProof(target=target):
            return Explanation(
                how="The write is attempted from the runner's network position. "
                "It must be rejected with the expected error (401, 403, UNAUTHENTICATED, PERMISSION_DENIED, AccessDenied), an allowed identity must succeed in the same run, and an independent reader verifies the target.",
                unproven=_UNPROVEN,
                why="A target that accepts anonymous writes serves whatever an attacker stores there.",
                breaks="Permissions enforced only in the client, a reader's token that can write, an open registry.",
                fix=f"Enforce identities in the server of {target}; see docs/reference/proofs/publication.md.",
            )
        case NoSecrets():
            return Explanation(
                how="A random token is planted where jobs can see secrets. "
                "All published artifacts and logs are then searched for it: plain, base64, hex, and inside archives and compressed members.",
                unproven=_UNPROVEN,
                why="Published content cannot be recalled.",
                breaks="A build that reads its environment, a log that prints commands, an image layer with a token.",
                fix="Keep the secret out of the action that wrote the reported file.",
            )
        case CanaryProof(canary=canary):
            return Explanation(
                how="The canary is built as the class's user in a fresh runner (or in its own directory on a real one), with a nonce and within the budget of its canary.yaml. "
                "Its artifacts are copied out and inspected outside the builder.",
                unproven="The canary is missing, or the runner did not start.",
                why="Having the tools does not mean the class can build.",
                breaks="A missing tool, too little memory, a build that reads outside its inputs.",
                fix=f"Run the command from canaries/{canary}/canary.yaml in the image by hand.",
            )
        case _:
            assert_never(promise)
