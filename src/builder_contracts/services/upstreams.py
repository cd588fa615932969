"""Configurations of the servers behind nginx: BuildGrid, the registry and SeaweedFS. Pure text."""

from __future__ import annotations

import json

from builder_contracts.services.principals import Credentials

BUCKET = "state"


def buildgrid(*, port: int, folder: str) -> str:
    """CAS, ByteStream and ActionCache on loopback, under the empty instance name that Bazel uses."""
    return f"""\
server:
  - !channel
    address: "127.0.0.1:{port}"
    insecure-mode: true
authorization: {{method: none}}
monitoring: {{enabled: false}}
thread-pool-size: 32
instances:
  - name: ''
    storages:
      - !disk-storage &cas
        path: {folder}
    caches:
      - !lru-action-cache &results
        storage: *cas
        max-cached-refs: 100000
        allow-updates: true
        cache-failed-actions: false
    services:
      - !action-cache
        cache: *results
      - !cas
        storage: *cas
      - !bytestream
        storage: *cas
"""


def registry(*, port: int, folder: str) -> str:
    """The registry "distribution" on loopback, with its blobs in a folder."""
    return f"""\
version: 0.1
log: {{accesslog: {{disabled: true}}, level: warn}}
storage:
  filesystem: {{rootdirectory: {folder}}}
  delete: {{enabled: true}}
http:
  addr: 127.0.0.1:{port}
  # Links that it hands out follow the name and scheme by which it was reached.
  relativeurls: true
"""


def seaweedfs(credentials: Credentials) -> str:
    """The permissions in the object store: the reader reads one bucket, the writer administers."""

    def identity(name: str, secret: str, actions: list[str]) -> dict[str, object]:
        return {"name": name, "credentials": [{"accessKey": name, "secretKey": secret}], "actions": actions}

    reader, writer = credentials.reader, credentials.writer
    return json.dumps(
        {
            "identities": [
                identity(reader.name, reader.secret, [f"Read:{BUCKET}", f"List:{BUCKET}"]),
                identity(writer.name, writer.secret, ["Admin", "Read", "Write", "List", "Tagging"]),
            ]
        }
    )
