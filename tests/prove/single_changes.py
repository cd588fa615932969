"""Every single change of a record: each fact in it lost, unreadable, rejected or reversed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.bazel.log import REMOTE_HIT, Spawn
from builder_contracts.prove.bazel.record import BazelRun
from builder_contracts.prove.kernel.record import Boot, CacheServer, KernelBuild, KernelRecord, TierStep
from builder_contracts.prove.nix.log import NixLog
from builder_contracts.prove.nix.record import NixRun
from builder_contracts.prove.publish_attempt import is_accepted
from builder_contracts.prove.secrets.record import Leak, Scan
from builder_contracts.prove.state_reply import StateReply
from builder_contracts.prove.store_lookup import StoreLookup
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.protocol import CompletedCommand

GONE = Unavailable("gone")
# Fields whose own value is a fact, by what it is when there is none; of the others the parts are facts.
EMPTY: Mapping[str, Any] = {
    **dict.fromkeys(("nar_hash", "poisoned", "corrupted"), ""),
    **{name: {} for name in ("info", "counts", "answers", "lookups", "control", "artifacts")},
    **dict.fromkeys(("verified", "verified_other", "memory", "disk", "ran"), None),
    **dict.fromkeys(("items", "bytes", "secrets", "places", "older_versions"), 0),
    **dict.fromkeys(("accepted", "served", "rejected"), 0),
    **dict.fromkeys(("not_lied", "no_reader", "no_writer", "strays"), GONE),
    "undelivered": "no such file",
    "plain": "LOST gone",
    "server_key": "another:key",
}


def single_changes(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The place of each fact with what becomes of it, as PATH:KIND, and the whole value with that one change."""
    for kind, changed in _changes_of(value, path):
        yield f"{path}:{kind}", changed
    for key, item in _parts(value):
        part = f"{path}/{key}" if path else str(key)
        part_changes = list(single_changes(item, part))
        if isinstance(value, KernelRecord) and isinstance(item, TierStep | KernelBuild | CacheServer | Boot):
            part_changes.append((f"{part}:lost", GONE))
        elif dataclasses.is_dataclass(value) and key in EMPTY and _can_be(item, EMPTY[key]):
            part_changes.append((f"{part}:lost", EMPTY[key]))
        for place, changed in part_changes:
            yield place, _with(value, key, changed)


def _changes_of(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    match value:
        case NixRun() | BazelRun() | CompletedCommand():
            yield "lost", dataclasses.replace(value, status=None, ended="gone")
            yield "reversed", dataclasses.replace(value, status=0 if value.status else 1)
        case TierStep():
            yield "incomplete", dataclasses.replace(value, status=None, ended="gone")
            yield "failed", dataclasses.replace(value, status=1)
            yield "silent", dataclasses.replace(value, stdout="")
        case NixLog():
            yield "lost", NixLog()
        case StoreLookup():
            yield "unreadable", StoreLookup(None, "500")
            yield "reversed", StoreLookup(not value.present, "reversed")
        case StateReply():
            yield "lost", StateReply("LOST", "gone")
            yield "rejected", StateReply("AccessDenied", "403")
            if not is_accepted(value.status):
                yield "accepted", dataclasses.replace(value, status="OK")
        case Spawn():
            yield "reversed", dataclasses.replace(value, runner="local" if value.hit else REMOTE_HIT)
        case AccessLogLine():
            yield "failed", dataclasses.replace(value, status=502, grpc="14" if value.grpc else "")
        case Scan():
            yield "leak", dataclasses.replace(value, leaks=(Leak("log", "plain"),))
            yield "missed", dataclasses.replace(value, missed=("registry",))
            yield "undecoded", dataclasses.replace(value, undecoded=("a.7z",))
        case tuple() | frozenset() if value:
            yield "lost", type(value)()
        case str() if "answers/" in path:
            yield "lost", "LOST gone"
            yield "failed", "503 down"
            yield "reversed", "403" if value.startswith(("2", "OK")) else "201"
        case str() if "control/" in path:
            yield "reversed", "403"


def _can_be(item: Any, empty: Any) -> bool:
    """Whether a field can be empty in this way: by its own type, or because it says why there is nothing."""
    return item != empty and (empty is None or isinstance(empty, Unavailable) or type(item) is type(empty))


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield field.name, getattr(value, field.name)
    elif isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, tuple) and all(dataclasses.is_dataclass(item) for item in value):
        yield from enumerate(value)


def _with(value: Any, key: Any, changed: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{key: changed})
    if isinstance(value, tuple):
        return (*value[:key], changed, *value[key + 1 :])
    return {**value, key: changed}
