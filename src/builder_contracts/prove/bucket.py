"""The bucket of an object store: requests to it, its preparation, and the removal of what a proof put there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from builder_contracts.prove.job import StepFailed
from builder_contracts.prove.leftovers import (
    NOTHING_TO_REMOVE,
    format_leftovers,
    unchecked_leftovers,
)
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
        "arguments": {"Bucket": name(bench), **arguments},
    }


def name(bench: Testbed) -> str:
    """The bucket that the environment names, or the run's own."""
    return bench.endpoints["objects"].bucket or BUCKET


def keep(bench: Testbed, keys: Iterable[str]) -> None:
    """Put objects that somebody might try to delete. Raises StepFailed."""
    body = encode_body("keep me")
    _must(bench.ask([s3_request(bench, WRITER, "put_object", Key=key, Body=body) for key in keys]))


def prepare(bench: Testbed) -> None:
    """The run's own bucket, with versioning; once per bench. A deployment's stays as it is. Raises StepFailed."""
    with bench.bucket_lock:
        if not bench.bucket_ready and bench.endpoints["objects"].service:
            _create(bench)
            bench.bucket_ready = True


def _create(bench: Testbed) -> None:
    versioning: Mapping[str, object] = {"Status": "Enabled"}
    replies = bench.ask(
        [
            s3_request(bench, WRITER, "create_bucket"),
            s3_request(bench, WRITER, "put_bucket_versioning", VersioningConfiguration=versioning),
        ]
    )
    # Another proof of this bench's environment may have created it before.
    _must(replies[1:])


def _must(replies: Iterable[Mapping[str, Any]]) -> None:
    for reply in replies:
        if reply["status"] != "OK":
            raise StepFailed("preparing the bucket", f"{reply['status']} {reply['detail']}".strip())


def remove_all(bench: Testbed, prefix: str) -> str:
    """Remove every version and delete marker below a prefix, and uploads that did not end; what became of it."""
    writer = partial(s3_request, bench, WRITER)
    listing = [writer("list_object_versions", Prefix=prefix), writer("list_multipart_uploads", Prefix=prefix)]
    try:
        versions, uploads = _entries(bench.undo(listing))
        if not versions and not uploads:
            return NOTHING_TO_REMOVE
        bench.undo(
            [
                *(
                    writer("delete_object", Key=entry["Key"], VersionId=entry["VersionId"])
                    for entry in versions
                ),
                *(
                    writer("abort_multipart_upload", Key=entry["Key"], UploadId=entry["UploadId"])
                    for entry in uploads
                ),
            ]
        )
        versions, uploads = _entries(bench.undo(listing))
    except StepFailed as failed:
        return unchecked_leftovers(bench, "objects", failed.lost)
    return format_leftovers(
        bench, "objects", dict.fromkeys((entry["Key"] for entry in (*versions, *uploads)), "OK")
    )


def _entries(replies: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The versions and delete markers, and the uploads, of two listings. Raises StepFailed."""
    for reply in replies:
        if reply["status"] != "OK":
            raise StepFailed("listing what was written", f"{reply['status']} {reply['detail']}".strip())
    versions, uploads = (reply["reply"] for reply in replies)
    return [*versions.get("Versions", []), *versions.get("DeleteMarkers", [])], uploads.get("Uploads", [])
