"""The record of the Bazel cache proof: plain data for its judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.bazel.log import Spawn
from builder_contracts.prove.store_lookup import ANOTHER, StoreLookup
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.services.principals import READER


@dataclass(frozen=True)
class BazelRun:
    """One build by Bazel: exit status (None: it did not complete, ``ended`` says why), spawns, counts by runner, the
    invocation's id and its warnings."""

    status: int | None
    spawns: tuple[Spawn, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    invocation: str = ""
    warnings: tuple[str, ...] = ()
    ended: str = ""

    @property
    def actions(self) -> list[Spawn]:
        """The actions that a remote cache could have answered."""
        return [spawn for spawn in self.spawns if spawn.cacheable]


@dataclass(frozen=True)
class BazelRecord:
    """Everything that the Bazel cache proof observed.

    ``runs`` are the builds by experiment (cold, miss, hit, environment, without, lied-to); ``asked`` the
    action digests and ``served`` the lines that the server's own log has of each; ``after_upload`` and
    ``after_refusal`` are what a reader then found in the store; ``poisoned`` and ``corrupted`` are the
    output digests of the false result and of the corrupted blob, ``not_lied`` why there are none; ``mnemonics``
    must occur in a full build. Not ``logged``: the cache is deployed, its log is unavailable, and ``asked``
    and ``served`` are empty; ``reader`` is then who looked after the upload. ``no_reader``: no read-only identity
    took part, for this reason; ``fetcher`` is the identity of every build but the cold one.
    """

    protocol: str
    url: str
    runs: Mapping[str, BazelRun]
    asked: Mapping[str, frozenset[str]]
    served: Mapping[str, tuple[AccessLogLine, ...]]
    after_upload: StoreLookup
    after_refusal: StoreLookup
    poisoned: str = ""
    corrupted: str = ""
    not_lied: Unavailable | None = None
    no_reader: Unavailable | None = None
    logged: bool = True
    fetcher: str = READER
    reader: str = ANOTHER
    mnemonics: tuple[str, ...] = ()

    def reads(self, name: str) -> list[AccessLogLine]:
        """Requests for results of actions that the server answered with one."""
        if self.protocol == "http":
            return [
                line
                for line in self.served[name]
                if "/ac/" in line.uri and line.method == "GET" and line.status == 200
            ]
        return [
            line for line in self.served[name] if line.uri.endswith("/GetActionResult") and line.grpc == "0"
        ]

    def writes(self, name: str, *, rejected: bool) -> list[AccessLogLine]:
        """Writes that the server rejected, or those that it accepted."""
        lines = self.served[name]
        if self.protocol == "http":
            statuses = {401, 403} if rejected else {200, 201, 204}
            return [line for line in lines if line.method == "PUT" and line.status in statuses]
        grpc_statuses = {"7", "16"} if rejected else {"0"}
        methods = ("/UpdateActionResult", "/BatchUpdateBlobs", "/Write", "/SpliceBlob")
        return [line for line in lines if line.uri.endswith(methods) and line.grpc in grpc_statuses]
