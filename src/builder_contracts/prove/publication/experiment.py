"""Attempt to publish as each identity, from the network position of a runner; then look up the result."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from builder_contracts.prove import bucket, http_backend, lookup_identity
from builder_contracts.prove.attic import experiment as attic
from builder_contracts.prove.job import ProofJob, StepFailed
from builder_contracts.prove.leftovers import Request, remove, unchecked_leftovers
from builder_contracts.prove.publish_attempt import (
    IDENTITIES,
    PublishAttempt,
    is_put_unsupported,
    put_unsupported,
    with_control,
)
from builder_contracts.prove.registry_tags import TAG, remove_tags
from builder_contracts.prove.store_lookup import StoreLookup
from builder_contracts.prove.testbed import Testbed, encode_body
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.services.principals import READER, WRITER
from builder_contracts.services.upstreams import BUCKET


def prove(bench: Testbed, target: str, job: ProofJob) -> dict[str, PublishAttempt | Unavailable]:
    """The attempts of all identities at one target, from the network position of a job. Raises Failed, ServiceDown."""
    endpoint = bench.endpoints[target]
    bench.ready(target)
    if target == "nix" and (session := attic.open_session(bench)):
        return _publish_to_attic(bench, job, session)
    looker = lookup_identity.choose(bench, target)
    lacking = {name: lost for name in IDENTITIES if (lost := endpoint.lacks(name))}
    if looker.no_reader is not None:
        lacking[READER] = looker.no_reader
    names = [name for name in IDENTITIES if name not in lacking]
    nonces = {name: bench.nonce() for name in names}
    writes = {name: _writes(bench, target, name, nonces[name]) for name in names}
    if target == "objects":
        if lost := endpoint.lacks(WRITER):
            return dict.fromkeys(IDENTITIES, lost)
        bucket.prepare(bench)
        bucket.keep(bench, [_kept_key(nonces[name]) for name in names])
    log_start = len(bench.access_log(endpoint.service))
    try:
        replies = iter(bench.ask([request for name in names for _, request in writes[name]], beside=job))
        answers = {
            name: {operation: _format_reply(next(replies)) for operation, _ in writes[name]} for name in names
        }
        # The lines up to here are the attempts; the lookups that follow are another identity's.
        lines = bench.access_log_of(job.address, endpoint.service, since=log_start, expect=frozenset(names))
        reads = {name: _reads(bench, target, nonces[name], name, looker.name) for name in names}
        replies = iter(bench.ask([request for name in names for _, request in reads[name]]))
        lookups = {
            name: {operation: _lookup(next(replies)) for operation, _ in reads[name]} for name in names
        }
    finally:
        leftovers = (
            "" if endpoint.service else _remove_written(bench, target, [nonces[name] for name in names])
        )
    bench.ready(target)
    if target == "nix" and any(
        is_put_unsupported(answer) for by_operation in answers.values() for answer in by_operation.values()
    ):
        return dict.fromkeys(IDENTITIES, put_unsupported(endpoint.url))
    attempts = {
        name: PublishAttempt(
            name,
            answers[name],
            lookups[name],
            {},
            tuple(line for line in lines if line.identity == name),
            "HTTP, gRPC or S3 client next to the runner",
            bool(endpoint.service),
            leftovers,
            bench.reader_description(target, looker.name),
        )
        for name in names
    }
    return with_control({**attempts, **lacking}, anonymous_reader=endpoint.anonymous_reader)


def _publish_to_attic(
    bench: Testbed, job: ProofJob, session: attic.AtticSession
) -> dict[str, PublishAttempt | Unavailable]:
    """The same at an Attic server, in its own protocol."""
    attempts: dict[str, PublishAttempt | Unavailable] = {}
    try:
        attempts = attic.attempt(bench, job, session)
    finally:
        try:
            leftovers = attic.close_session(bench, session)
        except StepFailed as failed:
            leftovers = unchecked_leftovers(bench, "nix", failed.lost)
    return with_control(
        {
            name: dataclasses.replace(attempt, leftovers=leftovers)
            if isinstance(attempt, PublishAttempt)
            else attempt
            for name, attempt in attempts.items()
        },
        anonymous_reader=bench.endpoints["nix"].anonymous_reader,
    )


def _remove_written(bench: Testbed, target: str, nonces: Sequence[str]) -> str:
    """Remove from a deployment what was written there, as far as its protocol can; return what became of it."""
    url, headers = bench.endpoints[target].url, bench.headers(target, WRITER)
    match target:
        case "nix":
            paths = [name for nonce in nonces for name in (f"{nonce}.narinfo", f"nar/{nonce}.nar")]
            requests = [{"kind": "http", "url": f"{url}/{path}", "headers": headers} for path in paths]
            return remove(bench, target, requests, lambda path_url, _: path_url)
        case "registry":
            return remove_tags(bench, [f"proof/{nonce}" for nonce in nonces])
        case "objects":
            return "; ".join(dict.fromkeys(bucket.remove_all(bench, f"proof-{nonce}/") for nonce in nonces))
        case "state":
            return http_backend.remove_states(bench, [f"proof-{nonce}" for nonce in nonces])
        case _:
            return "written entries remain until evicted (a cache cannot delete)"


def _writes(bench: Testbed, target: str, identity: str, nonce: str) -> list[tuple[str, Request]]:
    """Return the writes that an identity attempts, by name. The nonce makes each of them new."""
    url = bench.endpoints[target].url
    headers = bench.headers(target, identity)
    body = encode_body(f"proof {nonce}\n")

    def put(path: str) -> Request:
        request = {"kind": "http", "method": "PUT", "url": f"{url}/{path}", "headers": headers, "body": body}
        return {**request, "trust": bench.certificate(target)}

    match target:
        case "nix":
            return [("narinfo", put(f"{nonce}.narinfo")), ("nar", put(f"nar/{nonce}.nar"))]
        case "bazel-http":
            result = {**put(f"ac/{_action(nonce)}"), "body": encode_body(_action_result(nonce))}
            return [("cas", put(f"cas/{_sha(nonce)}")), ("action cache", result)]
        case "bazel-grpc":
            call = bench.grpc_call(target, identity)
            return [
                ("cas", {**call, "call": "BatchUpdateBlobs", "body": body}),
                (
                    "byte stream",
                    {**call, "call": "Write", "upload": nonce, "body": encode_body(f"stream {nonce}\n")},
                ),
                ("action cache", {**call, "call": "UpdateActionResult", "hash": _action(nonce), "size": 1}),
            ]
        case "registry":
            return [("push", {"kind": "push", "url": url, "name": f"proof/{nonce}", "headers": headers, "body": body,
                             "trust": bench.certificate(target)})]  # fmt: skip
        case "objects":
            key = _key(nonce)
            s3 = partial(bucket.s3_request, bench, identity)
            operations: list[tuple[str, Request]] = [
                ("put", s3("put_object", Key=key, Body=body)),
                ("multipart", s3("create_multipart_upload", Key=key)),
                ("delete", s3("delete_object", Key=_kept_key(nonce))),
            ]
            # Nobody tries to open a deployment's bucket.
            if identity != WRITER and bench.endpoints[target].service:
                operations.append(("policy", s3("put_bucket_policy", Policy=_OPEN)))
            return operations
        case "state":
            text = http_backend.content(nonce, 1, identity)
            return [("state", http_backend.write(bench, identity, f"proof-{nonce}", text))]
        case _:
            raise NotImplementedError(f"no writes for the target {target}")


# A policy that opens the bucket to everybody.
_OPEN = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*",'
    f'"Resource":"arn:aws:s3:::{BUCKET}/*"}}]}}'
)


def _reads(bench: Testbed, target: str, nonce: str, identity: str, looker: str) -> list[tuple[str, Request]]:
    """Return the requests by which an independent identity looks up what was attempted."""
    url = bench.endpoints[target].url
    headers = bench.headers(target, looker)

    def get(path: str) -> Request:
        request = {"kind": "http", "method": "HEAD", "url": f"{url}/{path}", "headers": headers}
        return {**request, "trust": bench.certificate(target)}

    match target:
        case "nix":
            return [("narinfo", get(f"{nonce}.narinfo")), ("nar", get(f"nar/{nonce}.nar"))]
        case "bazel-http":
            return [("cas", get(f"cas/{_sha(nonce)}")), ("action cache", get(f"ac/{_action(nonce)}"))]
        case "bazel-grpc":
            call = bench.grpc_call(target, looker)
            return [
                ("cas", {**call, "call": "FindMissingBlobs", **_blob(f"proof {nonce}\n")}),
                ("byte stream", {**call, "call": "FindMissingBlobs", **_blob(f"stream {nonce}\n")}),
                ("action cache", {**call, "call": "GetActionResult", "hash": _action(nonce), "size": 1}),
            ]
        case "registry":
            accept = {**headers, "Accept": "application/vnd.oci.image.manifest.v1+json"}
            manifest = {
                **get(f"v2/proof/{nonce}/manifests/{TAG}"),
                "headers": accept,
            }
            return [("push", manifest)]
        case "objects":
            s3 = partial(bucket.s3_request, bench, looker, "get_object")
            reads: list[tuple[str, Request]] = [("put", s3(Key=_key(nonce)))]
            if identity != WRITER:
                reads.append(("delete", s3(Key=_kept_key(nonce))))
            return reads
        case "state":
            return [("state", http_backend.request(bench, looker, "GET", f"proof-{nonce}"))]
        case _:
            raise NotImplementedError(f"no lookups for the target {target}")


def _key(nonce: str) -> str:
    """The object that an identity tries to put."""
    return f"proof-{nonce}/put"


def _kept_key(nonce: str) -> str:
    """The object that is there before, and that an identity tries to delete."""
    return f"proof-{nonce}/keep"


def _sha(nonce: str) -> str:
    return hashlib.sha256(f"proof {nonce}\n".encode()).hexdigest()


def _action(nonce: str) -> str:
    """Return the digest of an action that was never run."""
    return hashlib.sha256(f"action {nonce}".encode()).hexdigest()


def _action_result(nonce: str) -> bytes:
    """Return a result as the Remote Execution API has it, because servers reject what is none: its output, field 5."""
    output = f"proof {nonce}".encode()
    return b"\x2a" + bytes([len(output)]) + output


def _blob(text: str) -> dict[str, object]:
    return {"hash": hashlib.sha256(text.encode()).hexdigest(), "size": len(text.encode())}


def _format_reply(reply: Mapping[str, Any]) -> str:
    return f"{reply['status']} {reply['detail']}".strip()


_PRESENT = {"200", "OK", "PRESENT"}
_ABSENT = {"404", "NOT_FOUND", "MISSING", "NoSuchKey"}


def _lookup(reply: Mapping[str, Any]) -> StoreLookup:
    status = str(reply["status"])
    present = True if status in _PRESENT else False if status in _ABSENT else None
    return StoreLookup(present, _format_reply(reply))
