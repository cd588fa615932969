"""Facts for tables: a sound runner, of which a row changes what it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from builder_contracts.contract.promises import Declaration, Promise, ProofPromise
from builder_contracts.facts.model import (
    DaemonFacts,
    Facts,
    ImageFacts,
    IsolationFacts,
    NetworkFacts,
    ResourceFacts,
    RunnerFacts,
    StartFacts,
    Unseen,
    UserFacts,
)
from builder_contracts.judge import assess
from builder_contracts.judge.witnesses import value_at
from builder_contracts.verdict import Assessment, Outcome

GIB = 2**30
NOT_HERE = Unseen("no runner of this kind shows it", provable_here=False)
LOST = Unseen("the observation did not complete")

RUNNER = RunnerFacts("docker", "Docker Engine 26.1", "Debian 12", cpus=4, memory=16 * GIB, engine_id="HOST")
POD = RunnerFacts("kubernetes", "Kubernetes v1.34.4", "node localhost", cpus=4, memory=16 * GIB)
IMAGE = ImageFacts(
    "sample", "sha256:" + "4f1c" * 16, "linux/amd64", {"title": "sample"}, entrypoint=[], size=300 * 2**20
)


def facts(**seen: Any) -> Facts:
    """A runner as its contract wants it, but for the given fields."""
    sound: dict[str, Any] = {
        "runner": RUNNER,
        "image": IMAGE,
        "start": StartFacts(exists=True, started=True),
        "identity": UserFacts(1001, 1001, "runner", "/home/runner", home_exists=True, home_writable=True),
        "path": "/usr/local/bin:/usr/bin:/bin",
        "env": {"HOME": "/home/runner"},
        "isolation": IsolationFacts(),
        "daemon": DaemonFacts(False, "no client; no socket responds"),
        "network": NetworkFacts(default_routes=[]),
        "resources": ResourceFacts(),
    }
    return Facts(**{**sound, **seen})


@dataclass(frozen=True)
class Row:
    """One line of a table: what is promised, what was seen, and the answer with words that it must hold."""

    name: str
    promise: Promise
    facts: Facts
    outcome: Outcome
    observation: str
    cause: str = ""
    provable_here: bool = True
    counted: tuple[int, int] | None = None
    """How many were checked, of how many."""

    def check(self) -> Assessment:
        finding = assess(self.promise, self.facts).assessment
        assert finding.outcome is self.outcome, finding
        assert self.observation in finding.observation
        assert self.cause in finding.cause
        assert finding.provable_here is self.provable_here
        assert (finding.checked, finding.total) == (self.counted or (None, None))
        # Only a broken promise has a cause to name; what was seen has a place to look at.
        assert bool(finding.cause) is (self.outcome is Outcome.BROKEN)
        assert isinstance(self.promise, Declaration | ProofPromise) or leads_to_a_fact(
            finding.inspect, self.facts
        ), finding.inspect
        return finding


def leads_to_a_fact(path: str, facts: Facts) -> bool:
    """Whether a path of jq has a fact at its end, or a record that lacks it: witnesses compare what is there."""
    if value_at(facts, path) is not None:
        return True
    last = re.search(r"\.(\w+)$|\[[^]]*\]$", path)
    if last is None:
        return False
    holder = value_at(facts, path[: last.start()]) if last.start() else facts
    return isinstance(holder, Mapping | Unseen) or hasattr(holder, last[1] or "")


Counted: TypeAlias = tuple[int, int] | None


def kept(name: str, promise: Promise, facts: Facts, observation: str, *, counted: Counted = None) -> Row:
    return Row(name, promise, facts, Outcome.KEPT, observation, counted=counted)


def broken(
    name: str, promise: Promise, facts: Facts, observation: str, cause: str, *, counted: Counted = None
) -> Row:
    return Row(name, promise, facts, Outcome.BROKEN, observation, cause, counted=counted)


def unproven(
    name: str, promise: Promise, facts: Facts, observation: str, *, provable_here: bool = True
) -> Row:
    return Row(name, promise, facts, Outcome.UNPROVEN, observation, provable_here=provable_here)
