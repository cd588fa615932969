"""A client of every protocol, run as a program in a container of the services image: one process, many requests.

It is sent as text and must not import this package. Its argument is a JSON list of requests, its output one
JSON list of answers in the same order: {"status", "said", "body"}. ``status`` is what the protocol answered
(an HTTP status, a gRPC status name, an S3 error code or "OK") or "LOST" when nothing did.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

Answer = dict[str, Any]
TIMEOUT = 10.0


def answer(status: object, said: str = "", body: bytes = b"") -> Answer:
    return {
        "status": str(status),
        "said": " ".join(said.split())[:300],
        "body": base64.b64encode(body).decode(),
    }


def http(request: dict[str, Any]) -> Answer:
    """Any HTTP request: method, url, headers, a body in base64, and the certificate to trust."""
    body = base64.b64decode(request["body"]) if "body" in request else None
    call = urllib.request.Request(  # noqa: S310 # the harness writes the URLs
        request["url"], data=body, method=request.get("method", "GET"), headers=request.get("headers", {})
    )
    # No proxies: the run's own hosts are meant, whatever the environment says.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if request.get("trust"):
        handlers.append(
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=request["trust"]))
        )
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(call, timeout=TIMEOUT) as reply:
            found = answer(reply.status, "", reply.read())
            found["location"] = reply.headers.get("Location", "")
            return found
    except urllib.error.HTTPError as error:
        # Closed at once: a server may wait for that before it writes the request into its log.
        with error:
            return answer(error.code, error.read().decode("utf-8", "replace"))
    except (OSError, urllib.error.URLError) as error:
        return answer("LOST", str(error))


def push(request: dict[str, Any]) -> Answer:
    """A whole push of one small layer to a registry; the answer of the first step that was not accepted."""
    base, name, headers = request["url"], request["name"], request.get("headers", {})
    trust = request.get("trust", "")
    layer = base64.b64decode(request["body"])
    config = b"{}"
    for blob in (layer, config):
        opened = http(
            {
                "url": f"{base}/v2/{name}/blobs/uploads/",
                "method": "POST",
                "headers": headers,
                "body": "",
                "trust": trust,
            }
        )
        if opened["status"] != "202":
            return {**opened, "said": f"upload start: {opened['said']}"}
        where = opened["location"]
        where = where if where.startswith("http") else base + where
        done = http(
            {
                "url": where + ("&" if "?" in where else "?") + "digest=" + digest(blob),
                "method": "PUT",
                "headers": {**headers, "Content-Type": "application/octet-stream"},
                "body": base64.b64encode(blob).decode(),
                "trust": trust,
            }
        )
        if done["status"] != "201":
            return {**done, "said": f"upload: {done['said']}"}
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest(config),
            "size": 2,
        },
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest(layer),
                "size": len(layer),
            }
        ],
    }
    return http(
        {
            "url": f"{base}/v2/{name}/manifests/proof",
            "method": "PUT",
            "headers": {**headers, "Content-Type": kind},
            "body": base64.b64encode(json.dumps(manifest).encode()).decode(),
            "trust": trust,
        }
    )


def digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def grpc(request: dict[str, Any]) -> Answer:
    """One call of the Remote Execution API; see the branches for the fields that each of them reads."""
    import grpc as wire
    from buildgrid._protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as re
    from buildgrid._protos.build.bazel.remote.execution.v2 import remote_execution_pb2_grpc as services
    from buildgrid._protos.google.bytestream import bytestream_pb2, bytestream_pb2_grpc

    metadata = [("authorization", request["authorization"])] if request.get("authorization") else []
    options: dict[str, Any] = {"metadata": metadata, "timeout": TIMEOUT}
    blob = base64.b64decode(request.get("body", ""))
    with wire.insecure_channel(request["target"]) as channel:
        cas = services.ContentAddressableStorageStub(channel)
        results = services.ActionCacheStub(channel)
        streams = bytestream_pb2_grpc.ByteStreamStub(channel)
        known = re.Digest(hash=request.get("hash", ""), size_bytes=request.get("size", 0))
        own = re.Digest(hash=hashlib.sha256(blob).hexdigest(), size_bytes=len(blob))
        try:
            match request["call"]:
                case "BatchUpdateBlobs":
                    entry = re.BatchUpdateBlobsRequest.Request(digest=own, data=blob)
                    reply = cas.BatchUpdateBlobs(re.BatchUpdateBlobsRequest(requests=[entry]), **options)
                    code = reply.responses[0].status.code
                    return answer(
                        "OK" if code == 0 else f"BLOB_STATUS_{code}", reply.responses[0].status.message
                    )
                case "Write":
                    name = f"uploads/{request['upload']}/blobs/{own.hash}/{own.size_bytes}"
                    part = bytestream_pb2.WriteRequest(resource_name=name, data=blob, finish_write=True)
                    streams.Write(iter([part]), **options)
                    return answer("OK")
                case "UpdateActionResult":
                    result = re.ActionResult(exit_code=0, stdout_raw=b"proof")
                    update = re.UpdateActionResultRequest(action_digest=known, action_result=result)
                    results.UpdateActionResult(update, **options)
                    return answer("OK")
                case "GetActionResult":
                    found = results.GetActionResult(re.GetActionResultRequest(action_digest=known), **options)
                    return answer("OK", "", found.SerializeToString())
                case "FindMissingBlobs":
                    missing = cas.FindMissingBlobs(
                        re.FindMissingBlobsRequest(blob_digests=[known or own]), **options
                    )
                    return answer("MISSING" if missing.missing_blob_digests else "PRESENT")
                case "Poison":
                    found = results.GetActionResult(re.GetActionResultRequest(action_digest=known), **options)
                    entry = re.BatchUpdateBlobsRequest.Request(digest=own, data=blob)
                    cas.BatchUpdateBlobs(re.BatchUpdateBlobsRequest(requests=[entry]), **options)
                    found.output_files[0].digest.CopyFrom(own)
                    found.output_files[0].contents = b""
                    update = re.UpdateActionResultRequest(action_digest=known, action_result=found)
                    results.UpdateActionResult(update, **options)
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
    from buildgrid._protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as re

    base, headers, blob = request["url"], request.get("headers", {}), base64.b64decode(request["body"])
    found = http({"url": f"{base}/ac/{request['hash']}", "headers": headers})
    if found["status"] != "200":
        return found
    result = re.ActionResult.FromString(base64.b64decode(found["body"]))
    own = re.Digest(hash=hashlib.sha256(blob).hexdigest(), size_bytes=len(blob))
    result.output_files[0].digest.CopyFrom(own)
    result.output_files[0].contents = b""
    for path, body in ((f"cas/{own.hash}", blob), (f"ac/{request['hash']}", result.SerializeToString())):
        put = http(
            {
                "url": f"{base}/{path}",
                "method": "PUT",
                "headers": headers,
                "body": base64.b64encode(body).decode(),
            }
        )
        if put["status"] not in ("200", "201", "204"):
            return put
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
    found = answer("OK", "", stream.read() if stream is not None else b"")
    found["reply"] = json.loads(json.dumps(reply, default=str))
    return found


def s3_all(request: dict[str, Any]) -> Answer:
    """Every object of a bucket: their bodies in base64 by key, in ``objects``."""
    listed = s3({**request, "call": "list_objects_v2"})
    if listed["status"] != "OK":
        return listed
    found = answer("OK")
    found["objects"] = {}
    for entry in listed["reply"].get("Contents", []):
        key = {"Bucket": request["arguments"]["Bucket"], "Key": entry["Key"]}
        one = s3({**request, "call": "get_object", "arguments": key})
        if one["status"] == "OK":
            found["objects"][entry["Key"]] = one["body"]
        elif one["status"] != "NoSuchKey":
            return one
    return found


CALLS: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "http": http,
    "push": push,
    "grpc": grpc,
    "poison-http": poison_http,
    "s3": s3,
    "s3-all": s3_all,
}


def main() -> None:
    answers = []
    for request in json.loads(sys.argv[1]):
        try:
            answers.append(CALLS[request["kind"]](request))
        except Exception as error:  # an answer for every request, whatever a library raises
            answers.append(answer("LOST", f"{type(error).__name__}: {error}"))
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
