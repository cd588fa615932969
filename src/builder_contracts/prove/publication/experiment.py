"""Tries to publish, as everybody, from the runner's own network position; then looks from outside what arrived."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from builder_contracts.prove.job import ProofJob, StepFailed
from builder_contracts.prove.nix.experiment import no_puts, takes_no_puts
from builder_contracts.prove.records import CheckResult, PublishAttempt, StoreLookup, Unavailable, controlled
from builder_contracts.prove.testbed import Testbed, coded
from builder_contracts.services.principals import ANONYMOUS, READER, WRITER
from builder_contracts.services.upstreams import BUCKET

IDENTITIES = (ANONYMOUS, READER, WRITER)
MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
Request = Mapping[str, Any]


def prove(bench: Testbed, target: str, job: ProofJob) -> dict[str, PublishAttempt | Unavailable]:
    """The attempts of all identities at one target, from the network position of a job. Raises Failed, ServiceDown."""
    endpoint = bench.endpoints[target]
    lacking = {name: lost for name in IDENTITIES if (lost := endpoint.lacks(name))}
    names = [name for name in IDENTITIES if name not in lacking]
    bench.ready(target)
    nonces = {name: bench.nonce() for name in names}
    plans = {name: _writes(bench, target, name, nonces[name]) for name in names}
    if target == "objects":
        _prepare_objects(bench)
    flat = [request for name in names for _, request in plans[name]]
    before = len(bench.served(endpoint.service))
    try:
        answers = iter(bench.ask(flat, beside=job))
        said = {name: {what: next(answers) for what, _ in plans[name]} for name in names}
        # The lines up to here are the attempts; the looks that follow are another identity's.
        lines = bench.served_to(job.address, endpoint.service, since=before, of=frozenset(names))
        looks = {name: _looks(bench, target, nonces[name], name) for name in names}
        flat_looks = [request for name in names for _, request in looks[name]]
        found = iter(bench.ask(flat_looks))
        seen = {name: {what: _looked(next(found)) for what, _ in looks[name]} for name in names}
    finally:
        left = "" if endpoint.service else _take_back(bench, target, [nonces[name] for name in names])
    bench.ready(target)
    plain = {name: {what: _short(reply) for what, reply in said[name].items()} for name in names}
    if target == "nix" and any(takes_no_puts(answer) for each in plain.values() for answer in each.values()):
        return dict.fromkeys(IDENTITIES, no_puts(endpoint.url))
    tried = {
        name: PublishAttempt(
            name,
            plain[name],
            seen[name],
            {},
            tuple(line for line in lines if line.identity == name),
            "HTTP, gRPC or S3 client beside the runner",
            bool(endpoint.service),
            left,
            bench.looker(target),
        )
        for name in names
    }
    return controlled({**tried, **lacking})


def _take_back(bench: Testbed, target: str, nonces: Sequence[str]) -> str:
    """Remove from a deployment what was written there, as far as its protocol can; what became of it."""
    url, headers = bench.endpoints[target].url, bench.headers(target, WRITER)
    match target:
        case "nix":
            paths = [name for nonce in nonces for name in (f"{nonce}.narinfo", f"nar/{nonce}.nar")]
            each = [{"kind": "http", "url": f"{url}/{path}", "headers": headers} for path in paths]
            return _remove(bench, each, lambda url, _: url)
        case "registry":
            return remove_tags(bench, [f"proof/{nonce}" for nonce in nonces])
        case _:
            return "a cache has no way to delete: what was written stays until it is evicted"


def remove_tags(bench: Testbed, repositories: Sequence[str]) -> str:
    """Remove the tag proof of these repositories from a deployment's registry; what became of them."""
    url = bench.endpoints["registry"].url
    headers = {**bench.headers("registry", WRITER), "Accept": MANIFESTS}
    each = [
        {"kind": "http", "url": f"{url}/v2/{repository}/manifests/proof", "headers": headers}
        for repository in repositories
    ]
    # A registry deletes a manifest by its digest only.
    return _remove(bench, each, lambda url, look: url.removesuffix("proof") + (look.get("digest") or "proof"))


def _remove(bench: Testbed, each: Sequence[Request], where: Callable[[str, Mapping[str, Any]], str]) -> str:
    """Delete what is there of these, ``where`` a look at it says; what became of it."""
    try:
        looks = bench.undo([{**request, "method": "HEAD"} for request in each])
        there = [(one, look) for one, look in zip(each, looks, strict=True) if look["status"] != "404"]
        if not there:
            return "nothing was there to be removed"
        bench.undo([{**one, "method": "DELETE", "url": where(one["url"], look)} for one, look in there])
        after = bench.undo([{**one, "method": "HEAD"} for one, _ in there])
    except StepFailed as failed:
        return became((unasked(failed.lost),))
    return became(
        [one["url"] for (one, _), look in zip(there, after, strict=True) if look["status"] != "404"]
    )


def became(left: Sequence[str]) -> str:
    """What became in a deployment of what was written there."""
    return f"not removed from it again: {', '.join(left)}" if left else "what was written is removed"


def unasked(lost: Unavailable) -> str:
    """What is left where nobody could ask for it."""
    return f"whatever arrived, as it could not be asked for ({lost.reason})"


def prove_state(bench: Testbed) -> dict[str, CheckResult | Unavailable]:
    """What a state store needs: a lock that only one can hold, and the way back to an older state.

    Raises Failed, ServiceDown.
    """
    key = f"proof-{bench.nonce()}"

    def call(name: str, identity: str = WRITER, **arguments: object) -> Request:
        return s3(bench, identity, name, {"Bucket": BUCKET, "Key": key, **arguments})

    lock = {**call("put_object", Body=coded("held by the first"), IfNoneMatch="*")}
    lock["arguments"] = {**lock["arguments"], "Key": f"{key}.lock"}
    second = {**lock, "arguments": {**lock["arguments"], "Body": coded("held by the second")}}
    read_lock = s3(bench, WRITER, "get_object", {"Bucket": BUCKET, "Key": f"{key}.lock"})
    versions = s3(bench, WRITER, "list_object_versions", {"Bucket": BUCKET, "Prefix": key})
    bench.ready("objects")
    _prepare_objects(bench)
    answers = bench.ask(
        [lock, second, read_lock, call("put_object", Body=coded("first state")),
         call("put_object", Body=coded("second state")), versions]
    )  # fmt: skip
    found = {"second-lock": _second_lock(answers[:3])}
    older = [
        entry
        for entry in answers[5].get("reply", {}).get("Versions", [])
        if entry["Key"] == key and not entry["IsLatest"]
    ]
    if any(answer["status"] == "LOST" for answer in answers[3:]):
        return {**found, "old-state": Unavailable(f"the object store did not answer: {answers[5]['said']}")}
    if not older:
        return {
            **found,
            "old-state": CheckResult(
                False,
                f"after two writes the store lists no older version ({_short(answers[5])})",
                "versioning is not enabled on the bucket",
            ),
        }
    back = {"Bucket": BUCKET, "Key": key, "VersionId": older[0]["VersionId"]}
    restored = bench.ask(
        [s3(bench, WRITER, "copy_object", {"Bucket": BUCKET, "Key": key, "CopySource": back}),
         s3(bench, READER, "get_object", {"Bucket": BUCKET, "Key": key})]
    )  # fmt: skip
    text = base64.b64decode(restored[1]["body"]).decode("utf-8", "replace")
    return {**found, "old-state": _old_state(restored, text)}


def _second_lock(answers: Sequence[Mapping[str, Any]]) -> CheckResult | Unavailable:
    first, second, held = answers
    text = base64.b64decode(held["body"]).decode("utf-8", "replace")
    witnesses = (
        f"client: first put {_short(first)}, second put {_short(second)}",
        f"server: the lock reads {text!r}",
    )
    if "LOST" in (first["status"], second["status"], held["status"]):
        return Unavailable(
            f"the object store did not answer: {first['said'] or second['said'] or held['said']}"
        )
    if first["status"] != "OK":
        return Unavailable(f"the first holder did not get the lock: {_short(first)}")
    likely = "the store ignores If-None-Match; a state lock on it protects nothing"
    if second["status"] == "OK" or text != "held by the first":
        return CheckResult(
            False, f"the second holder got the lock as well; it reads {text!r}", likely, witnesses
        )
    if second["status"] != "PreconditionFailed":
        return CheckResult(
            False,
            f"the second holder was refused with {_short(second)}, not PreconditionFailed",
            likely,
            witnesses,
        )
    return CheckResult(
        True,
        "the second holder is refused with PreconditionFailed, the lock is the first one's",
        "",
        witnesses,
    )


def _old_state(restored: Sequence[Mapping[str, Any]], text: str) -> CheckResult | Unavailable:
    copied, read = restored
    witnesses = (f"client: restore {_short(copied)}", f"server: the reader finds {text!r}")
    if "LOST" in (copied["status"], read["status"]):
        return Unavailable(f"the object store did not answer: {copied['said'] or read['said']}")
    if text != "first state":
        return CheckResult(
            False,
            f"after restoring the first version the state reads {text!r}",
            "versioning does not keep what it lists",
            witnesses,
        )
    return CheckResult(True, "the first state is back after it was overwritten", "", witnesses)


def _writes(bench: Testbed, target: str, identity: str, nonce: str) -> list[tuple[str, Request]]:
    """The writes that an identity tries, by name. The nonce makes each of them a thing that never was."""
    url = bench.endpoints[target].url
    who = bench.identity(target, identity)
    headers = bench.headers(target, identity)
    body = coded(f"proof {nonce}\n")

    def put(path: str) -> Request:
        return {"kind": "http", "method": "PUT", "url": f"{url}/{path}", "headers": headers, "body": body}

    match target:
        case "nix":
            return [("narinfo", put(f"{nonce}.narinfo")), ("nar", put(f"nar/{nonce}.nar"))]
        case "bazel-http":
            return [("cas", put(f"cas/{_sha(nonce)}")), ("action cache", put(f"ac/{_action(nonce)}"))]
        case "bazel-grpc":
            call = {"kind": "grpc", "target": url, "authorization": who.authorization}
            return [
                ("cas", {**call, "call": "BatchUpdateBlobs", "body": body}),
                (
                    "byte stream",
                    {**call, "call": "Write", "upload": nonce, "body": coded(f"stream {nonce}\n")},
                ),
                ("action cache", {**call, "call": "UpdateActionResult", "hash": _action(nonce), "size": 1}),
            ]
        case "registry":
            return [("push", {"kind": "push", "url": url, "name": f"proof/{nonce}", "headers": headers, "body": body,
                             "trust": bench.certificate(target)})]  # fmt: skip
        case "objects":
            keep = {"Bucket": BUCKET, "Key": f"keep-{identity}"}
            own = {"Bucket": BUCKET, "Key": f"proof-{nonce}"}
            operations: list[tuple[str, Request]] = [
                ("put", s3(bench, identity, "put_object", {**own, "Body": body})),
                ("multipart", s3(bench, identity, "create_multipart_upload", own)),
                ("delete", s3(bench, identity, "delete_object", keep)),
            ]
            if identity != WRITER:
                operations.append(
                    ("policy", s3(bench, identity, "put_bucket_policy", {"Bucket": BUCKET, "Policy": _OPEN}))
                )
            return operations
        case _:
            raise NotImplementedError(f"no writes for the target {target}")


# What somebody would set who wants to read everything from then on.
_OPEN = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*",'
    f'"Resource":"arn:aws:s3:::{BUCKET}/*"}}]}}'
)


def _looks(bench: Testbed, target: str, nonce: str, identity: str) -> list[tuple[str, Request]]:
    """How an independent identity looks for what was tried: the reader, or whoever may list."""
    url = bench.endpoints[target].url
    reader = bench.identity(target, READER)
    headers = bench.headers(target, READER)

    def get(path: str) -> Request:
        return {"kind": "http", "method": "HEAD", "url": f"{url}/{path}", "headers": headers}

    match target:
        case "nix":
            return [("narinfo", get(f"{nonce}.narinfo")), ("nar", get(f"nar/{nonce}.nar"))]
        case "bazel-http":
            return [("cas", get(f"cas/{_sha(nonce)}")), ("action cache", get(f"ac/{_action(nonce)}"))]
        case "bazel-grpc":
            call = {
                "kind": "grpc",
                "target": url,
                "authorization": reader.authorization,
            }
            return [
                ("cas", {**call, "call": "FindMissingBlobs", **_blob(f"proof {nonce}\n")}),
                ("byte stream", {**call, "call": "FindMissingBlobs", **_blob(f"stream {nonce}\n")}),
                ("action cache", {**call, "call": "GetActionResult", "hash": _action(nonce), "size": 1}),
            ]
        case "registry":
            accept = {**headers, "Accept": "application/vnd.oci.image.manifest.v1+json"}
            manifest = {
                **get(f"v2/proof/{nonce}/manifests/proof"),
                "headers": accept,
                "trust": bench.certificate(target),
            }
            return [("push", manifest)]
        case "objects":
            looks: list[tuple[str, Request]] = [
                ("put", s3(bench, READER, "get_object", {"Bucket": BUCKET, "Key": f"proof-{nonce}"}))
            ]
            if identity != WRITER:
                kept = s3(bench, READER, "get_object", {"Bucket": BUCKET, "Key": f"keep-{identity}"})
                looks.append(("delete", kept))
            return looks
        case _:
            raise NotImplementedError(f"no looks for the target {target}")


def _prepare_objects(bench: Testbed) -> None:
    """The bucket with versioning, and in it what somebody might try to delete; once a bench. Raises Failed."""
    with bench.bucket_lock:
        if not bench.bucket_ready:
            _make_bucket(bench)
            bench.bucket_ready = True


def _make_bucket(bench: Testbed) -> None:
    answers = bench.ask(
        [
            s3(bench, WRITER, "create_bucket", {"Bucket": BUCKET}),
            s3(bench, WRITER, "put_bucket_versioning",
                {"Bucket": BUCKET, "VersioningConfiguration": {"Status": "Enabled"}}),
            *(s3(bench, WRITER, "put_object", {"Bucket": BUCKET, "Key": f"keep-{name}", "Body": coded("keep me")})
              for name in IDENTITIES),
        ]
    )  # fmt: skip
    for reply in answers[1:]:
        if reply["status"] != "OK":
            raise StepFailed("preparing the bucket", _short(reply))


def s3(bench: Testbed, identity: str, call: str, arguments: Mapping[str, object]) -> dict[str, Any]:
    who = bench.identity("objects", identity)
    url = bench.endpoints["objects"].url
    return {
        "kind": "s3",
        "url": url,
        "identity": who.name,
        "secret": who.secret,
        "call": call,
        "arguments": dict(arguments),
    }


def _sha(nonce: str) -> str:
    return hashlib.sha256(f"proof {nonce}\n".encode()).hexdigest()


def _action(nonce: str) -> str:
    """The digest of an action that nobody can have run."""
    return hashlib.sha256(f"action {nonce}".encode()).hexdigest()


def _blob(text: str) -> dict[str, object]:
    return {"hash": hashlib.sha256(text.encode()).hexdigest(), "size": len(text.encode())}


def _short(reply: Mapping[str, Any]) -> str:
    return f"{reply['status']} {reply['said']}".strip()


_PRESENT = {"200", "OK", "PRESENT"}
_ABSENT = {"404", "NOT_FOUND", "MISSING", "NoSuchKey"}


def _looked(reply: Mapping[str, Any]) -> StoreLookup:
    status = str(reply["status"])
    present = True if status in _PRESENT else False if status in _ABSENT else None
    return StoreLookup(present, _short(reply))
