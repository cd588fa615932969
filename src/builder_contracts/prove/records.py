"""All records of one builder class: plain data, no verdicts."""

from __future__ import annotations

from dataclasses import dataclass, field

from builder_contracts.prove.publish_attempt import Attempt
from builder_contracts.prove.record_bazel import BazelRecord
from builder_contracts.prove.record_canary import CanaryRecord
from builder_contracts.prove.record_nix import NixRecord
from builder_contracts.prove.record_secrets import Scan
from builder_contracts.prove.record_state import StateRecord
from builder_contracts.prove.unavailable import Lost


@dataclass
class Records:
    """All records of one class; each experiment is a record or the reason why there is none."""

    nix: NixRecord | Lost | None = None
    bazel: dict[str, BazelRecord | Lost] = field(default_factory=dict)
    attempts: dict[tuple[str, str], Attempt | Lost] = field(default_factory=dict)
    state: StateRecord | Lost | None = None
    canaries: dict[str, CanaryRecord | Lost] = field(default_factory=dict)
    scan: Scan | Lost | None = None
    seconds: float = 0.0
