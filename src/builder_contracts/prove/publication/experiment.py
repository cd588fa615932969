"""Attempt to publish as each identity, from the network position of a runner; then look up the result."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from builder_contracts.prove.registry_tags import manifest, remove_tags
from builder_contracts.prove.store_lookup import StoreLookup
from builder_contracts.prove.testbed import Testbed, encode_body
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.services.principals import WRITER
from builder_contracts.services.upstreams import BUCKET


def prove(bench: Testbed, target: str, job: ProofJob) -> dict[str, PublishAttempt | Unavailable]:
    """The attempts of all identities at one target, from the network position of a job. Raises Failed, ServiceDown."""
    endpoint = bench.endpoints[target]
    bench.ready(target)
    if target == "nix" and (session := attic.open_session(bench)):
        return _publish_to_attic(bench, job, session)
    looker = lookup_identity.choose(bench, target)
    lacking = looker.lacking(endpoint)
    names = [name for name in IDENTITIES if name not in lacking]
    nonces = {name: bench.nonce() for name in names}
    operations = {name: _operations(bench, target, name, looker.name, nonces[name]) for name in names}
    if target == "objects":
        if lost := endpoint.lacks(WRITER):
            return dict.fromkeys(IDENTITIES, lost)
        bucket.prepare(bench)
        bucket.keep(bench, [_kept_key(nonces[name]) for name in names])
    log_start = len(bench.access_log(endpoint.service))
    try:
        writes = [operation.write for name in names for operation in operations[name]]
        replies = iter(bench.ask(writes, beside=job))
        answers = {
            name: {operation.name: _format_reply(next(replies)) for operation in operations[name]}
            for name in names
        }
        # The lines up to here are the attempts; the lookups that follow are another identity's.
        lines = bench.access_log_of(job.address, endpoint.service, since=log_start, expect=frozenset(names))
        reads = [operation.read for name in names for operation in operations[name] if operation.read]
        replies = iter(bench.ask(reads))
        lookups = {
            name: {operation.name: _lookup(next(replies)) for operation in operations[name] if operation.read}
            for name in names
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
    anonymous_reader = bench.endpoints["nix"].anonymous_reader
    return with_control(attempts, anonymous_reader=anonymous_reader, leftovers=leftovers)


def _remove_written(bench: Testbed, target: str, nonces: Sequence[str]) -> str:
    """Remove from a deployment what was written there, as far as its protocol can; return what became of it."""
    match target:
        case "nix":
            paths = [name for nonce in nonces for name in (f"{nonce}.narinfo", f"nar/{nonce}.nar")]
            requests = [bench.http_request(target, WRITER, path) for path in paths]
            return remove(bench, target, requests, lambda path_url, _: path_url)
        case "registry":
            return remove_tags(bench, [f"proof/{nonce}" for nonce in nonces])
        case "objects":
            return "; ".join(dict.fromkeys(bucket.remove_all(bench, f"proof-{nonce}/") for nonce in nonces))
        case "state":
            return http_backend.remove_states(bench, [f"proof-{nonce}" for nonce in nonces])
        case _:
            return "written entries remain until evicted (a cache cannot delete)"


@dataclass(frozen=True)
class _LookedUpWrite:
    """A write that an identity attempts, and the request by which another looks up the result, if one can."""

    name: str
    write: Request
    read: Request | None


def _operations(bench: Testbed, target: str, identity: str, looker: str, nonce: str) -> list[_LookedUpWrite]:
    """What an identity attempts at a target, in order. The nonce makes each write new."""
    text = f"proof {nonce}\n"

    def put(name: str, path: str, body: str | bytes = text) -> _LookedUpWrite:
        write = bench.http_request(target, identity, path, method="PUT", body=body)
        return _LookedUpWrite(name, write, bench.http_request(target, looker, path, method="HEAD"))

    match target:
        case "nix":
            return [put("narinfo", f"{nonce}.narinfo"), put("nar", f"nar/{nonce}.nar")]
        case "bazel-http":
            result = put("action cache", f"ac/{_sha(f'action {nonce}')}", _action_result(nonce))
            return [put("cas", f"cas/{_sha(text)}"), result]
        case "bazel-grpc":
            return _grpc_operations(bench.grpc_call(target, identity), bench.grpc_call(target, looker), nonce)
        case "registry":
            repository, request = f"proof/{nonce}", bench.http_request(target, identity, "", body=text)
            push = {**request, "kind": "push", "url": bench.endpoints[target].url, "name": repository}
            return [_LookedUpWrite("push", push, manifest(bench, looker, repository))]
        case "objects":
            return _object_operations(bench, identity, looker, nonce)
        case "state":
            name, state = f"proof-{nonce}", http_backend.content(nonce, 1, identity)
            write = http_backend.write(bench, identity, name, state)
            return [_LookedUpWrite("state", write, http_backend.request(bench, looker, "GET", name))]
        case _:
            raise NotImplementedError(f"no writes for the target {target}")


def _grpc_operations(write: Request, read: Request, nonce: str) -> list[_LookedUpWrite]:
    blob, stream = f"proof {nonce}\n", f"stream {nonce}\n"
    action = {"hash": _sha(f"action {nonce}"), "size": 1}
    find = {**read, "call": "FindMissingBlobs"}
    return [
        _LookedUpWrite(
            "cas",
            {**write, "call": "BatchUpdateBlobs", "body": encode_body(blob)},
            {**find, "hash": _sha(blob), "size": len(blob)},
        ),
        _LookedUpWrite(
            "byte stream",
            {**write, "call": "Write", "upload": nonce, "body": encode_body(stream)},
            {**find, "hash": _sha(stream), "size": len(stream)},
        ),
        _LookedUpWrite(
            "action cache",
            {**write, "call": "UpdateActionResult", **action},
            {**read, "call": "GetActionResult", **action},
        ),
    ]


def _object_operations(bench: Testbed, identity: str, looker: str, nonce: str) -> list[_LookedUpWrite]:
    write = partial(bucket.s3_request, bench, identity)
    read = partial(bucket.s3_request, bench, looker, "get_object")
    key, kept = f"proof-{nonce}/put", _kept_key(nonce)
    operations = [
        _LookedUpWrite(
            "put", write("put_object", Key=key, Body=encode_body(f"proof {nonce}\n")), read(Key=key)
        ),
        _LookedUpWrite("multipart", write("create_multipart_upload", Key=key), None),
        _LookedUpWrite(
            "delete", write("delete_object", Key=kept), read(Key=kept) if identity != WRITER else None
        ),
    ]
    # Nobody tries to open a deployment's bucket.
    if identity != WRITER and bench.endpoints["objects"].service:
        operations.append(_LookedUpWrite("policy", write("put_bucket_policy", Policy=_OPEN), None))
    return operations


# A policy that opens the bucket to everybody.
_OPEN = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*",'
    f'"Resource":"arn:aws:s3:::{BUCKET}/*"}}]}}'
)


def _kept_key(nonce: str) -> str:
    """The object that is there before, and that an identity tries to delete."""
    return f"proof-{nonce}/keep"


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _action_result(nonce: str) -> bytes:
    """Return a result as the Remote Execution API has it, because servers reject what is none: its output, field 5."""
    output = f"proof {nonce}".encode()
    return b"\x2a" + bytes([len(output)]) + output


def _format_reply(reply: Mapping[str, Any]) -> str:
    return f"{reply['status']} {reply['detail']}".strip()


_PRESENT = {"200", "OK", "PRESENT"}
_ABSENT = {"404", "NOT_FOUND", "MISSING", "NoSuchKey"}


def _lookup(reply: Mapping[str, Any]) -> StoreLookup:
    status = str(reply["status"])
    present = True if status in _PRESENT else False if status in _ABSENT else None
    return StoreLookup(present, _format_reply(reply))
