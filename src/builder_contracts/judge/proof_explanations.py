"""What the promises that are shown by doing mean to a person; see docs/proofs for each in full."""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.promises import ProofPromise
from builder_contracts.contract.promises.caches import CacheProof
from builder_contracts.contract.promises.canaries import CanaryProof
from builder_contracts.contract.promises.publication import NoSecrets, PublicationProof
from builder_contracts.judge.explanation import Explanation

_UNPROVEN = (
    "A service of the run died or did not answer (5xx, time-out, DNS), or the positive control failed: then "
    "nothing is known. On a live environment also where the proof would have to write and --allow-writes "
    "does not name the role."
)


def explain(promise: ProofPromise) -> Explanation:
    """The explanation of a promise that is proved by doing."""
    match promise:
        case CacheProof(role=role):
            return Explanation(
                how="A path or action that never existed before is published by a writer and fetched by a "
                "fresh runner of the class; the client's structured log and the server's own log must agree. For a "
                "deployment's own server, whose log is not at hand, another identity's look takes its place.",
                unproven=_UNPROVEN,
                why="A cache that silently misses, answers from the wrong place or hands out what nobody "
                "signed costs days, and its users see only slow or wrong builds.",
                breaks="A wrong URL or key, a proxy that rewrites answers, a client that trusts too much.",
                mend=f"docs/proofs/{'nix' if role == 'nix' else 'bazel'}.md repeats the proof by hand, command by command.",
            )
        case PublicationProof(target=target):
            return Explanation(
                how="The write is tried from the runner's own network position; the exact refusal (401, 403, "
                "UNAUTHENTICATED, PERMISSION_DENIED, AccessDenied) is expected, an allowed identity must "
                "succeed in the same run, and an independent reader looks what arrived.",
                unproven=_UNPROVEN,
                why="A target that accepts writes from anybody serves whatever an attacker stored there.",
                breaks="Rights enforced in the client only, a reader's token that can write, an open registry.",
                mend=f"Enforce the identity of {target} in its server; docs/proofs/publication.md shows how.",
            )
        case NoSecrets():
            return Explanation(
                how="A random token is planted where jobs see secrets; afterwards everything that was published "
                "and logged is searched for it, plain, base64, hex, and inside archives and compressed members.",
                unproven=_UNPROVEN,
                why="What is published cannot be taken back.",
                breaks="A build that reads its environment, a log that prints commands, an image layer with a token.",
                mend="The finding names the file; keep the secret out of the action that made it.",
            )
        case CanaryProof(canary=canary):
            return Explanation(
                how="The canary is built in a fresh runner of the class as its user, or on a real one in a folder of its "
                "own, with a nonce, under the budget of its canary.yaml; its products are taken out and looked at away from the builder.",
                unproven="The canary is not there, or the runner could not be started.",
                why="A list of tools is not yet a class that can build.",
                breaks="A missing tool, too little memory, a build that reaches outside of its inputs.",
                mend=f"canaries/{canary}/canary.yaml has the command; run it in the image by hand.",
            )
        case _:
            assert_never(promise)
