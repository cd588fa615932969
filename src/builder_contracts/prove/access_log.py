"""A server's access log of clients and requests: the second witness of a proof."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AccessLogLine:
    """One request: who asked from where for what, and the HTTP status, for gRPC its status number as well."""

    identity: str
    source: str
    method: str
    uri: str
    status: int
    grpc: str = ""
