"""The record of the Bazel cache proof: plain data for its judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from builder_contracts.prove.access_log import Served
from builder_contracts.prove.bazel_log import Spawn
from builder_contracts.prove.store_lookup import ANOTHER, Looked
from builder_contracts.prove.unavailable import Lost


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


@dataclass(frozen=True)
class BazelRecord:
    """Everything that the Bazel cache proof observed.

    ``runs`` are the builds by experiment (cold, miss, hit, environment, without, lied-to); ``asked`` the
    action digests and ``served`` the lines that the server's own log has of each; ``after_upload`` and
    ``after_refusal`` are what a reader then found in the store; ``poisoned`` and ``corrupted`` are the
    output digests of the false result and of the corrupted blob, ``not_lied`` why there are none; ``mnemonics``
    must occur in a full build. Not ``logged``: the cache is deployed, its log is unavailable, and ``asked``
    and ``served`` are empty; ``reader`` is then who looked after the upload. ``no_reader``: no read-only identity
    took part, for this reason.
    """

    protocol: str
    url: str
    runs: Mapping[str, BazelRun]
    asked: Mapping[str, frozenset[str]]
    served: Mapping[str, tuple[Served, ...]]
    after_upload: Looked
    after_refusal: Looked
    poisoned: str = ""
    corrupted: str = ""
    not_lied: Lost | None = None
    no_reader: Lost | None = None
    logged: bool = True
    reader: str = ANOTHER
    mnemonics: tuple[str, ...] = ()
