"""The record of a canary's build: plain data for its judge."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.protocol import CompletedCommand

Artifacts = Mapping[str, tarfile.TarInfo | bytes]
"""Artifacts by path: content of files, the entry of anything else."""


@dataclass(frozen=True)
class CanaryProducts:
    """The end of a cold build: its cost, what came out, and how what was built runs.

    ``memory`` and ``disk`` are bytes, None if they cannot be told apart from somebody else's, which ``shared`` says.
    ``unmeasured`` says why the runner was not asked for them; ``undelivered``, why there are no artifacts although the
    build succeeded. ``others`` is the share of the host's CPU time that something else used during the build.
    """

    seconds: float
    memory: int | None
    disk: int | None
    artifacts: Artifacts
    ran: CompletedCommand | None
    nonce: str
    shared: bool = False
    undelivered: str = ""
    unmeasured: str = ""
    others: float | None = None


@dataclass(frozen=True)
class CanaryRecord:
    """A canary that was built; ``results`` are by what it shows."""

    name: str
    results: Mapping[str, CheckResult | Unavailable]
