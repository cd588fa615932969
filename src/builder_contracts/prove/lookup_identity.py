"""The identity that looks up what the writer wrote, and that builds as a job that fetches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builder_contracts.prove import bucket
from builder_contracts.prove.publish_attempt import IDENTITIES, is_unknown, unknown_reader
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.services.principals import ANONYMOUS, READER, WRITER

if TYPE_CHECKING:
    from builder_contracts.prove.endpoints import Endpoint
    from builder_contracts.prove.testbed import Testbed


@dataclass(frozen=True)
class LookupIdentity:
    """The identity that reads; ``no_reader`` says why it is not a read-only one."""

    name: str
    no_reader: Unavailable | None = None

    def lacking(self, endpoint: Endpoint) -> dict[str, Unavailable]:
        """The identities as which nothing can be attempted, and why."""
        lacking = {name: lost for name in IDENTITIES if (lost := endpoint.lacks(name))}
        return lacking if self.no_reader is None else {**lacking, READER: self.no_reader}


def choose(bench: Testbed, role: str) -> LookupIdentity:
    """The reader where the server knows it, else the writer, whose credentials a closed server asks for as well.

    A deployment is asked whether it knows its reader; a service of the run knows the run's own. Raises StepFailed.
    """
    endpoint = bench.endpoints[role]
    if endpoint.service:
        return LookupIdentity(READER)
    if endpoint.anonymous_reader:
        return LookupIdentity(ANONYMOUS)
    no_reader = endpoint.lacks(READER)
    if no_reader is None:
        answer = bench.ask([_read(bench, role, READER)])[0]
        if not is_unknown(answer["status"]):
            return LookupIdentity(READER)
        no_reader = unknown_reader(f"{answer['status']} {answer['detail']}".strip())
    return LookupIdentity(ANONYMOUS if endpoint.lacks(WRITER) else WRITER, no_reader)


def _read(bench: Testbed, role: str, identity: str) -> dict[str, Any]:
    """A request to read that a server answers to everybody whom it knows, whatever it holds."""
    nonce = bench.nonce()
    match role:
        case "nix":
            return bench.http_request(role, identity, "nix-cache-info", method="HEAD")
        case "registry":
            # The end point by which a client finds out whether it is logged in (distribution's API, "API version check").
            return bench.http_request(role, identity, "v2/")
        case "bazel-grpc":
            call = bench.grpc_call(role, identity)
            return {**call, "call": "FindMissingBlobs", "hash": nonce * 2, "size": 1}
        case "bazel-http":
            return bench.http_request(role, identity, f"cas/{nonce * 2}", method="HEAD")
        case "state":
            return bench.http_request(role, identity, f"proof-{nonce}")
        case "objects":
            return bucket.s3_request(bench, identity, "get_object", Key=f"proof-{nonce}")
        case _:
            raise NotImplementedError(f"no read of the role {role}")
