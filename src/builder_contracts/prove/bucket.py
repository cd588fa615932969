"""The bucket of the run's own object store: requests to it, and its preparation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder_contracts.prove.job import StepFailed
from builder_contracts.prove.publish_attempt import IDENTITIES
from builder_contracts.prove.testbed import Testbed, encode_body
from builder_contracts.services.principals import WRITER
from builder_contracts.services.upstreams import BUCKET


def s3_request(bench: Testbed, identity: str, call: str, **arguments: object) -> dict[str, Any]:
    """A request of an identity to the bucket: a method of boto3's S3 client, and its arguments besides the bucket."""
    principal = bench.identity("objects", identity)
    return {
        "kind": "s3",
        "url": bench.endpoints["objects"].url,
        "identity": principal.name,
        "secret": principal.secret,
        "call": call,
        "arguments": {"Bucket": BUCKET, **arguments},
    }


def kept_key(identity: str) -> str:
    """The object that is there before, and that an identity tries to delete."""
    return f"keep-{identity}"


def prepare(bench: Testbed) -> None:
    """The bucket with versioning, and in it what somebody might try to delete; once per bench. Raises Failed."""
    with bench.bucket_lock:
        if not bench.bucket_ready:
            _create(bench)
            bench.bucket_ready = True


def _create(bench: Testbed) -> None:
    versioning: Mapping[str, object] = {"Status": "Enabled"}
    replies = bench.ask(
        [
            s3_request(bench, WRITER, "create_bucket"),
            s3_request(bench, WRITER, "put_bucket_versioning", VersioningConfiguration=versioning),
            *(
                s3_request(bench, WRITER, "put_object", Key=kept_key(identity), Body=encode_body("keep me"))
                for identity in IDENTITIES
            ),
        ]
    )
    # Another proof of this bench's environment may have created it before.
    for reply in replies[1:]:
        if reply["status"] != "OK":
            raise StepFailed("preparing the bucket", f"{reply['status']} {reply['detail']}".strip())
