"""A client of every protocol, run as a program in a container of the services image, or next to the harness on a
machine: one process, many requests.

It is sent as text and must not import this package. Its argument or input is a JSON list of requests, its output one
JSON list of responses in the same order: {"status", "detail", "body"}. ``status`` is the status of the response
(an HTTP status, a gRPC status name, an S3 error code or "OK"), or "LOST" without a response.
"""

from __future__ import annotations

import base64
import concurrent.futures
import functools
import hashlib
import json
import pathlib
import re
import ssl
import sys
import types
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

Answer = dict[str, Any]
TIMEOUT = 10.0
# Characters of what a server says: the bench cuts it shorter still, once it has taken out what is secret.
MAX_DETAIL = 4000
# In a container the run's own hosts are meant, whatever the environment says; on a machine a deployment's, which are
# reached as everything else there.
PROXIES: dict[str, str] | None = {} if len(sys.argv) > 1 else None


def answer(status: object, detail: str = "", body: bytes = b"") -> Answer:
    return {
        "status": str(status),
        "detail": " ".join(detail.split())[:MAX_DETAIL],
        "body": base64.b64encode(body).decode(),
    }


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: credentials for one are for no other."""
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects as urllib does, but sends credentials to no other server than they are for."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and origin(following.full_url) != origin(req.full_url):
            # Any header can hold a secret.
            for name in {*following.headers} - {"Accept", "Content-type"}:
                following.remove_header(name)
        return following


def http(request: dict[str, Any]) -> Answer:
    """Any HTTP request: method, url, headers, a body in base64, the certificate to trust, and the file of one's own.

    If a registry asks for a token first, one is fetched with the same credentials, as every client of it does.
    Source: the distribution project's token authentication specification.
    """
    first = plain_http(request)
    challenge = dict(re.findall(r'(\w+)="([^"]*)"', first.get("challenge", "")))
    realm = challenge.get("realm", "")
    # Credentials go nowhere in the clear that was not asked in the clear.
    safe = urllib.parse.urlsplit(realm).scheme in ("https", urllib.parse.urlsplit(request["url"]).scheme)
    if first["status"] != "401" or not realm or not safe:
        return first
    query = urllib.parse.urlencode(
        {name: challenge[name] for name in ("service", "scope") if name in challenge}
    )
    headers = {name: value for name, value in request.get("headers", {}).items() if name == "Authorization"}
    issued = plain_http({"url": f"{realm}?{query}", "headers": headers, "trust": request.get("trust", "")})
    if issued["status"] != "200":
        return first
    token = json.loads(base64.b64decode(issued["body"]))
    bearer = f"Bearer {token.get('token') or token.get('access_token')}"
    return plain_http({**request, "headers": {**request.get("headers", {}), "Authorization": bearer}})


def plain_http(request: dict[str, Any]) -> Answer:
    """One request and its answer, as it comes."""
    body = base64.b64decode(request["body"]) if "body" in request else None
    call = urllib.request.Request(  # noqa: S310 # the harness writes the URLs
        request["url"], data=body, method=request.get("method", "GET"), headers=request.get("headers", {})
    )
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler(PROXIES), Redirects()]
    try:
        if request.get("trust") or request.get("certificate"):
            context = ssl.create_default_context(cadata=request.get("trust") or None)
            if request.get("certificate"):
                context.load_cert_chain(request["certificate"])
            handlers.append(urllib.request.HTTPSHandler(context=context))
        opener = urllib.request.build_opener(*handlers)
        with opener.open(call, timeout=TIMEOUT) as reply:
            accepted = answer(reply.status, "", reply.read())
            accepted["location"] = reply.headers.get("Location", "")
            accepted["digest"] = reply.headers.get("Docker-Content-Digest", "")
            return accepted
    except urllib.error.HTTPError as error:
        # Closed at once: a server may wait for that before it writes the request into its log.
        with error:
            rejected = answer(error.code, error.read().decode("utf-8", "replace"))
            challenge = error.headers.get("WWW-Authenticate", "")
            rejected["challenge"] = challenge if challenge.startswith("Bearer") else ""
            return rejected
    except (OSError, urllib.error.URLError) as error:
        return answer("LOST", str(error))


def put(url: str, body: bytes, headers: dict[str, str], trust: str) -> Answer:
    encoded = base64.b64encode(body).decode()
    return http({"url": url, "method": "PUT", "headers": headers, "body": encoded, "trust": trust})


def push(request: dict[str, Any]) -> Answer:
    """A whole push of one small layer to a registry; the answer of the first step that was not accepted."""
    base, name, headers = request["url"], request["name"], request.get("headers", {})
    trust, uploads = request.get("trust", ""), f"{base}/v2/{name}/blobs/uploads/"
    layer = base64.b64decode(request["body"])
    config = b"{}"
    for blob in (layer, config):
        opened = http({"url": uploads, "method": "POST", "headers": headers, "body": "", "trust": trust})
        if opened["status"] != "202":
            return {**opened, "detail": f"upload start: {opened['detail']}"}
        location = urllib.parse.urljoin(uploads, opened["location"])
        credentials = headers if origin(location) == origin(base) else {}
        location += ("&" if "?" in location else "?") + "digest=" + digest(blob)
        uploaded = put(location, blob, {**credentials, "Content-Type": "application/octet-stream"}, trust)
        if uploaded["status"] != "201":
            return {**uploaded, "detail": f"upload: {uploaded['detail']}"}
    kind = "application/vnd.oci.image.manifest.v1+json"

    def described(media: str, blob: bytes) -> dict[str, Any]:
        return {"mediaType": f"application/vnd.oci.image.{media}", "digest": digest(blob), "size": len(blob)}

    manifest = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": described("config.v1+json", config),
        "layers": [described("layer.v1.tar", layer)],
    }
    url = f"{base}/v2/{name}/manifests/proof"
    return put(url, json.dumps(manifest).encode(), {**headers, "Content-Type": kind}, trust)


def digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


# What is used of remote_execution.proto (github.com/bazelbuild/remote-apis), status.proto and bytestream.proto
# (github.com/googleapis/googleapis): the fields of each message with their numbers; * marks a repeated one. Fields
# that are not here pass through unchanged.
MESSAGES = {
    "Digest": "hash=1:string size_bytes=2:int64",
    "Status": "code=1:int32 message=2:string",
    "OutputFile": "digest=2:Digest contents=5:bytes",
    "ActionResult": "output_files=2:*OutputFile exit_code=4:int32 stdout_raw=5:bytes",
    "BlobToUpdate": "digest=1:Digest data=2:bytes",
    "BlobUpdated": "digest=1:Digest status=2:Status",
    "BatchUpdateBlobsRequest": "instance_name=1:string requests=2:*BlobToUpdate",
    "BatchUpdateBlobsResponse": "responses=1:*BlobUpdated",
    "FindMissingBlobsRequest": "instance_name=1:string blob_digests=2:*Digest",
    "FindMissingBlobsResponse": "missing_blob_digests=2:*Digest",
    "GetActionResultRequest": "instance_name=1:string action_digest=2:Digest",
    "UpdateActionResultRequest": "instance_name=1:string action_digest=2:Digest action_result=3:ActionResult",
    "WriteRequest": "resource_name=1:string finish_write=3:bool data=10:bytes",
    "WriteResponse": "committed_size=1:int64",
}
RE = "/build.bazel.remote.execution.v2"


@functools.cache
def messages() -> Any:
    """The classes of MESSAGES, by their names."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="outsider.proto", package="outsider", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for text in fields.split():
            key, _, kind = text.partition(":")
            field, _, number = key.partition("=")
            label = kinds.LABEL_REPEATED if kind[0] == "*" else kinds.LABEL_OPTIONAL
            added = message.field.add(name=field, number=int(number), label=label)
            if kind.lstrip("*") in MESSAGES:
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".outsider.{kind.lstrip('*')}"
            else:
                added.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return types.SimpleNamespace(
        **{
            name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"outsider.{name}"))
            for name in MESSAGES
        }
    )


def grpc(request: dict[str, Any]) -> Answer:
    """One call of the Remote Execution API; see the branches for the fields that each of them reads."""
    import grpc as wire

    proto = messages()
    target = urllib.parse.urlsplit(request["target"])
    metadata = [(name.lower(), value) for name, value in request.get("headers", {}).items()]
    blob = base64.b64decode(request.get("body", ""))
    instance = request.get("instance", "")
    if target.scheme == "grpcs":
        trust, own = request.get("trust", "").encode() or None, None
        if request.get("certificate"):
            # Each of the two takes what it needs of the file.
            own = pathlib.Path(request["certificate"]).read_bytes()
        opened = wire.secure_channel(target.netloc, wire.ssl_channel_credentials(trust, own, own))
    else:
        opened = wire.insecure_channel(target.netloc)
    with opened as channel:

        def call(method: str, message: Any, reply: Any) -> Any:
            stub = channel.unary_unary(method, type(message).SerializeToString, reply.FromString)
            return stub(message, metadata=metadata, timeout=TIMEOUT)

        def result_of(digest: Any) -> Any:
            message = proto.GetActionResultRequest(instance_name=instance, action_digest=digest)
            return call(f"{RE}.ActionCache/GetActionResult", message, proto.ActionResult)

        def update(digest: Any, result: Any) -> None:
            message = proto.UpdateActionResultRequest(
                instance_name=instance, action_digest=digest, action_result=result
            )
            call(f"{RE}.ActionCache/UpdateActionResult", message, proto.ActionResult)

        def upload() -> Any:
            blobs = [proto.BlobToUpdate(digest=own, data=blob)]
            message = proto.BatchUpdateBlobsRequest(instance_name=instance, requests=blobs)
            method = f"{RE}.ContentAddressableStorage/BatchUpdateBlobs"
            return call(method, message, proto.BatchUpdateBlobsResponse).responses[0].status

        named = proto.Digest(hash=request.get("hash", ""), size_bytes=request.get("size", 0))
        own = proto.Digest(hash=hashlib.sha256(blob).hexdigest(), size_bytes=len(blob))
        try:
            match request["call"]:
                case "BatchUpdateBlobs":
                    status = upload()
                    return answer("OK" if status.code == 0 else f"BLOB_STATUS_{status.code}", status.message)
                case "Write":
                    prefix = f"{instance}/" if instance else ""
                    name = f"{prefix}uploads/{request['upload']}/blobs/{own.hash}/{own.size_bytes}"
                    part = proto.WriteRequest(resource_name=name, data=blob, finish_write=True)
                    write = channel.stream_unary(
                        "/google.bytestream.ByteStream/Write",
                        proto.WriteRequest.SerializeToString,
                        proto.WriteResponse.FromString,
                    )
                    write(iter([part]), metadata=metadata, timeout=TIMEOUT)
                    return answer("OK")
                case "UpdateActionResult":
                    update(named, proto.ActionResult(exit_code=0, stdout_raw=b"proof"))
                    return answer("OK")
                case "GetActionResult":
                    return answer("OK", "", result_of(named).SerializeToString())
                case "FindMissingBlobs":
                    missing = call(
                        f"{RE}.ContentAddressableStorage/FindMissingBlobs",
                        proto.FindMissingBlobsRequest(instance_name=instance, blob_digests=[named]),
                        proto.FindMissingBlobsResponse,
                    )
                    return answer("MISSING" if missing.missing_blob_digests else "PRESENT")
                case "Poison":
                    result = result_of(named)
                    upload()
                    result.output_files[0].digest.CopyFrom(own)
                    result.output_files[0].contents = b""
                    update(named, result)
                    return answer("OK", own.hash)
                case other:
                    return answer("LOST", f"no call {other}")
        except wire.RpcError as error:
            code = error.code()
            lost = code in (
                wire.StatusCode.UNAVAILABLE,
                wire.StatusCode.DEADLINE_EXCEEDED,
                wire.StatusCode.UNKNOWN,
            )
            return answer("LOST" if lost else code.name, f"{code.name} {error.details()}")


def poison_http(request: dict[str, Any]) -> Answer:
    """Replace the first output of an action's result in a Bazel HTTP cache."""
    proto = messages()
    base, headers, blob = request["url"], request.get("headers", {}), base64.b64decode(request["body"])
    stored = http({"url": f"{base}/ac/{request['hash']}", "headers": headers})
    if stored["status"] != "200":
        return stored
    result = proto.ActionResult.FromString(base64.b64decode(stored["body"]))
    own = proto.Digest(hash=hashlib.sha256(blob).hexdigest(), size_bytes=len(blob))
    result.output_files[0].digest.CopyFrom(own)
    result.output_files[0].contents = b""
    for path, body in ((f"cas/{own.hash}", blob), (f"ac/{request['hash']}", result.SerializeToString())):
        written = put(f"{base}/{path}", body, headers, "")
        if written["status"] not in ("200", "201", "204"):
            return written
    return answer("OK", own.hash)


@functools.cache
def s3_client(url: str, identity: str, secret: str) -> Any:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    settings: dict[str, Any] = {
        "retries": {"max_attempts": 1}, "connect_timeout": TIMEOUT, "read_timeout": TIMEOUT,
        "s3": {"addressing_style": "path"}, "proxies": {},
    }  # fmt: skip
    if secret:
        keys = {"aws_access_key_id": identity, "aws_secret_access_key": secret}
    else:
        keys, settings["signature_version"] = {}, UNSIGNED
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=Config(**settings), **keys)


def s3(request: dict[str, Any]) -> Answer:
    """One call of boto3's S3 client by its name, with its arguments; Body comes in base64."""
    from botocore.exceptions import BotoCoreError, ClientError

    client = s3_client(request["url"], request["identity"], request.get("secret", ""))
    arguments = dict(request.get("arguments", {}))
    if "Body" in arguments:
        arguments["Body"] = base64.b64decode(arguments["Body"])
    try:
        reply = getattr(client, request["call"])(**arguments)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        code = error.response["Error"]["Code"]
        return answer(
            "LOST" if status >= 500 else code, f"{status} {error.response['Error'].get('Message', '')}"
        )
    except BotoCoreError as error:
        return answer("LOST", str(error))
    stream = reply.pop("Body", None)
    reply.pop("ResponseMetadata", None)
    accepted = answer("OK", "", stream.read() if stream is not None else b"")
    accepted["reply"] = json.loads(json.dumps(reply, default=str))
    return accepted


def race(request: dict[str, Any]) -> Answer:
    """Several HTTP requests at once; the body has the status of each."""
    with concurrent.futures.ThreadPoolExecutor(len(request["requests"])) as pool:
        statuses = [reply["status"] for reply in pool.map(http, request["requests"])]
    return answer("200", "", " ".join(statuses).encode())


def s3_race(request: dict[str, Any]) -> Answer:
    """The same call ``count`` times at once; the body has the status of each."""
    with concurrent.futures.ThreadPoolExecutor(request["count"]) as pool:
        # One client for all, which is made before they start.
        s3_client(request["url"], request["identity"], request.get("secret", ""))
        statuses = [reply["status"] for reply in pool.map(s3, [request] * request["count"])]
    return answer("OK", "", " ".join(statuses).encode())


def s3_all(request: dict[str, Any]) -> Answer:
    """Every object of a bucket: their bodies in base64 by key, in ``objects``."""
    listed = s3({**request, "call": "list_objects_v2"})
    if listed["status"] != "OK":
        return listed
    bodies: dict[str, str] = {}
    for entry in listed["reply"].get("Contents", []):
        key = {"Bucket": request["arguments"]["Bucket"], "Key": entry["Key"]}
        read = s3({**request, "call": "get_object", "arguments": key})
        if read["status"] == "OK":
            bodies[entry["Key"]] = read["body"]
        elif read["status"] != "NoSuchKey":
            return read
    return {**answer("OK"), "objects": bodies}


CALLS: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "http": http,
    "race": race,
    "push": push,
    "grpc": grpc,
    "poison-http": poison_http,
    "s3": s3,
    "s3-all": s3_all,
    "s3-race": s3_race,
}


def main() -> None:
    answers = []
    # Not as an argument where others can list a machine's processes: requests hold credentials.
    for request in json.loads(sys.argv[1] if len(sys.argv) > 1 else sys.stdin.read()):
        try:
            answers.append(CALLS[request["kind"]](request))
        except Exception as error:  # an answer for every request, whatever a library raises
            answers.append(answer("LOST", f"{type(error).__name__}: {error}"))
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
