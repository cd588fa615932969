"""The record of the Nix cache proof: plain data for its judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.nix.log import NixLog


@dataclass(frozen=True)
class NixRun:
    """One command of Nix: its exit status (None: it did not complete, ``ended`` says why) and its structured log."""

    status: int | None
    log: NixLog
    ended: str = ""


@dataclass(frozen=True)
class NixRecord:
    """Everything that the Nix cache proof observed.

    ``attempts`` are substitutions by what was wrong with the cache (good, none, unsigned, wrong-key,
    stripped-references, swapped-nar, recovery); ``path`` is the nonce path that all of them asked for.
    ``served`` is what the server's own log has of each attempt, from the runner that made it. Not ``logged``: the good
    cache is deployed, its log is unavailable. Not ``watched``: the bad caches are directories, which have no log, and
    the client's own log has the queries. ``leftovers`` says what became of what was published in a deployed
    cache, ``no_info`` why the store says nothing of the path.
    """

    path: str
    closure: tuple[str, ...]
    url: str
    key: str
    nar_hash: str
    runner: str
    attempts: Mapping[str, NixRun]
    urls: Mapping[str, str]
    info: Mapping[str, object]
    verified: int | None
    verified_other: int | None
    served: Mapping[str, tuple[AccessLogLine, ...]]
    logged: bool = True
    watched: bool = True
    leftovers: str = ""
    no_info: str = ""
