"""All records of one builder class: plain data, no verdicts."""

from __future__ import annotations

from dataclasses import dataclass, field

from builder_contracts.prove.bazel.record import BazelRecord
from builder_contracts.prove.canary.record import CanaryRecord
from builder_contracts.prove.http_state.record import HttpStateRecord
from builder_contracts.prove.nix.record import NixRecord
from builder_contracts.prove.publish_attempt import PublishAttempt
from builder_contracts.prove.secrets.record import Scan
from builder_contracts.prove.state.record import StateRecord
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.leftovers import Leftovers


@dataclass
class ProofRecords:
    """All records of one class; each experiment has a record, or the reason why it has no record.

    ``attempts`` are by target and identity. ``leftovers`` is what they wrote to deployments and could not remove.
    """

    nix: NixRecord | Unavailable | None = None
    bazel: dict[str, BazelRecord | Unavailable] = field(default_factory=dict)
    attempts: dict[str, dict[str, PublishAttempt | Unavailable]] = field(default_factory=dict)
    state: StateRecord | Unavailable | None = None
    http_state: HttpStateRecord | Unavailable | None = None
    canaries: dict[str, CanaryRecord | Unavailable] = field(default_factory=dict)
    scan: Scan | Unavailable | None = None
    seconds: float = 0.0
    leftovers: Leftovers = field(default_factory=Leftovers)
