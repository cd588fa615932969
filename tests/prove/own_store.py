"""An object store that the run did not start, with a bucket that has versions, and a bench of this machine for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from builder_contracts.prove import protocol_client
from builder_contracts.prove.local_testbed import LocalTestbed
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, close
from builder_contracts.services.catalog import OBJECTS_PORT, objects
from builder_contracts.services.principals import Credentials
from builder_contracts.services.stack import ServiceStack
from tests.prove.conftest import Spec, machine_bench

BUCKET = "state"


@contextmanager
def own_store(folder: Path, spec: Spec = objects) -> Iterator[LocalTestbed]:
    """The bench, until the context ends."""
    client, run, credentials = engine.connect(), RunLabels(), Credentials.random()
    host = ServiceStack(client, run, name="own")
    host.start([spec("objects.example", credentials)])
    try:
        url = f"http://{host.up('objects').address}:{OBJECTS_PORT}"
        created = machine_bench(folder, objects=url)
        endpoint = dataclasses.replace(created.endpoints["objects"], credentials=credentials, bucket=BUCKET)
        created.endpoints = {"objects": endpoint}
        assert ask_store(created, "create_bucket")["status"] == "OK"
        versions = {"Status": "Enabled"}
        assert ask_store(created, "put_bucket_versioning", VersioningConfiguration=versions)["status"] == "OK"
        yield created
    finally:
        host.close()
        close(client, run)
        client.close()


def ask_store(
    testbed: LocalTestbed, call: str, *, identity: str = "writer", **arguments: object
) -> dict[str, Any]:
    """The reply to one call of an identity of the store."""
    principal = testbed.identity("objects", identity)
    return protocol_client.s3(
        {
            "url": testbed.endpoints["objects"].url,
            "identity": principal.name,
            "secret": principal.secret,
            "call": call,
            "arguments": {"Bucket": BUCKET, **arguments},
        }
    )
