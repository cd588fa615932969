"""What each runner can show, found by the real judges on facts of which it hides what it cannot see.

The facts are those that keep each promise in the judges' own tests. What a runner hides is what its own code marks as
never to be seen there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from tests.unit.judge.detail_rows import DETAILS
from tests.unit.judge.observed import RUNNER, Row
from tests.unit.judge.test_tables import TABLE

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises import PodPromise, ProofPromise
from builder_contracts.facts.model import NOT_A_POD, Facts, PodFacts, RunnerFacts, Unseen
from builder_contracts.judge import judge
from builder_contracts.observe.observation import gather
from builder_contracts.prove import verdicts as proofs
from builder_contracts.prove.backends import ProverOptions
from builder_contracts.prove.canary.record import CanaryRecord
from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.records import ProofRecords
from builder_contracts.run.prover import PLACES
from builder_contracts.runner.docker.cleanup import RunLabels
from builder_contracts.runner.kubernetes.kubectl import Kubectl
from builder_contracts.runner.kubernetes.pod_template import PodTemplate
from builder_contracts.runner.kubernetes.runner import KubernetesRunner
from builder_contracts.runner.local.runner import local_runner
from builder_contracts.runner.protocol import CompletedCommand, OutsideView
from builder_contracts.runner.ssh.runner import SshRunner
from builder_contracts.verdict import Outcome, Rung, Verdict

TODAY = date(2026, 1, 1)
NOTHING = "-"


@dataclass(frozen=True)
class Vantage:
    """A runner from which clauses are judged; ``view`` is what it knows from outside, None for a container."""

    name: str
    about: RunnerFacts
    view: OutsideView | None = None


class _AnsweringKubectl(Kubectl):
    """A cluster in which every pod runs."""

    def run(self, *_: Any, **__: Any) -> CompletedCommand:
        return CompletedCommand(0, b"", b"")

    def json(self, arguments: Sequence[str], *, stdin: bytes | None = None) -> dict[str, Any]:  # noqa: ARG002
        started = {"name": "runner", "state": {"running": {}}, "imageID": f"sha256:{'4f1c' * 16}"}
        return {"spec": _POD, "status": {"containerStatuses": [started]}}


_POD: dict[str, Any] = {"containers": [{"name": "runner", "image": "sample"}]}


def _pod_view(contract: Contract, option: str) -> OutsideView:
    template = PodTemplate({"labels": {}, "annotations": {}}, _POD, (option,), labels=contract.labels)
    with KubernetesRunner(_AnsweringKubectl(), RunLabels(), contract, template) as runner:
        return runner.setting


def vantages(contract: Contract) -> list[Vantage]:
    """Every place that a class can be judged from, the weakest of its kind first."""
    machine, host = local_runner().setting, SshRunner("ssh://host").setting
    pods = {option: _pod_view(contract, option) for option in ("--pod", "--scale-set")}
    return [
        Vantage("docker", RUNNER),
        Vantage("local", _about("local"), machine),
        Vantage("local in the pool", _about("local", live=True), machine),
        Vantage("ssh", _about("ssh"), host),
        *(
            Vantage(
                "pod" if option == "--pod" else "pod of the scale set",
                _about("kubernetes", live=_is_live(view)),
                view,
            )
            for option, view in pods.items()
        ),
    ]


def _about(kind: str, *, live: bool = False) -> RunnerFacts:
    return dataclasses.replace(RUNNER, kind=kind, engine_id="", live=live)


def _is_live(view: OutsideView) -> bool:
    return isinstance(view.runner, RunnerFacts) and view.runner.live


class _SilentRunner:
    """A runner of which only what its vantage knows from outside is known."""

    def __init__(self, view: OutsideView) -> None:
        # Its own witness would look at this machine.
        self.setting = dataclasses.replace(view, look=None)

    def execute(self, *_: Any, **__: Any) -> CompletedCommand:
        return CompletedCommand(0, b"", b"")


def _seen_from(vantage: Vantage, facts: Facts, contract: Contract) -> Facts:
    """The facts without what the vantage never shows."""
    if vantage.view is None:
        return dataclasses.replace(facts, runner=vantage.about, pod=NOT_A_POD)
    blind = gather(contract, _SilentRunner(vantage.view), forbidden={})
    seen: Facts = without(facts, blind)
    if not isinstance(facts.daemon, Unseen):
        ready = without(facts.daemon.ready_after, vantage.view.daemon_ready_after)
        seen = dataclasses.replace(seen, daemon=dataclasses.replace(facts.daemon, ready_after=ready))
    if vantage.about.kind == "kubernetes":
        # What the kubelet writes into no cgroup that a container sees; tests/kubernetes finds it so on a real node.
        cgroup = dataclasses.replace(facts.resources, memory_reserved=None, pids=None)
        pod = seen.pod if isinstance(seen.pod, PodFacts) else PodFacts()
        pod = dataclasses.replace(pod, memory_request=facts.resources.memory_reserved)
        seen = dataclasses.replace(seen, resources=cgroup, pod=pod, start=vantage.view.start)
    return dataclasses.replace(seen, runner=vantage.about)


def without(seen: Any, blind: Any) -> Any:
    """What was seen, without the parts that are never seen where ``blind`` comes from."""
    if isinstance(blind, Unseen):
        return seen if blind.provable_here else blind
    if isinstance(seen, Mapping) and isinstance(blind, Mapping):
        return {key: without(value, blind.get(key)) for key, value in seen.items()}
    if dataclasses.is_dataclass(seen) and type(seen) is type(blind):
        parts = {
            field.name: without(getattr(seen, field.name), getattr(blind, field.name))
            for field in dataclasses.fields(seen)
        }
        return dataclasses.replace(seen, **parts)  # type: ignore[type-var]  # an instance, never a class
    return seen


@dataclass(frozen=True)
class Shown:
    """What a vantage shows of one kind of promise: the verdicts on examples that a sound runner keeps."""

    verdicts: tuple[Verdict, ...]

    @property
    def rung(self) -> Rung | None:
        """The highest rung that it reaches, None if it shows nothing."""
        rungs = [
            verdict.rung for verdict in self.verdicts if verdict.outcome is Outcome.KEPT and verdict.rung
        ]
        return max(rungs, key=lambda rung: rung.value, default=None)

    @property
    def cell(self) -> str:
        if self.rung is None:
            return NOTHING
        by_run = any(verdict.set_by_run and verdict.rung is self.rung for verdict in self.verdicts)
        partly = any(verdict.outcome is not Outcome.KEPT for verdict in self.verdicts)
        return self.rung.value + (", set by the run" if by_run else "") + (" in part" if partly else "")


def table(contract: Contract) -> dict[str, dict[str, Shown]]:
    """By the first clause of each kind of promise in a contract that has all: what every vantage shows."""
    examples = {type(clause.promise): clause for clause in reversed(contract.clauses)}
    places = vantages(contract)
    return {
        clause.local_id: {place.name: _shown(clause, contract, place) for place in places}
        for clause in reversed(examples.values())
    }


def _shown(clause: Clause, contract: Contract, vantage: Vantage) -> Shown:
    if isinstance(clause.promise, ProofPromise):
        return Shown((_proved(clause, contract, vantage),))
    verdicts = []
    for row in _kept(clause):
        alone = dataclasses.replace(clause, promise=row.promise, waiver=None)
        only = dataclasses.replace(contract, clauses=(alone,))
        verdicts.append(judge(alone, _seen_from(vantage, row.facts, only), only, today=TODAY))
    return Shown(tuple(verdicts))


def _kept(clause: Clause) -> Iterator[Row]:
    """The rows of the judges' tables that keep a promise of this type in a container, or in a pod if it is of pods."""
    of_pods = isinstance(clause.promise, PodPromise)
    for row in (*TABLE[clause.kind], *DETAILS.get(clause.kind, ())):
        in_pod = isinstance(row.facts.runner, RunnerFacts) and row.facts.runner.kind == "kubernetes"
        if row.outcome is Outcome.KEPT and type(row.promise) is type(clause.promise) and in_pod == of_pods:
            yield row


def _proved(clause: Clause, contract: Contract, vantage: Vantage) -> Verdict:
    """The verdict on a proof that succeeded, where the vantage has a place for proofs."""
    canary = next(item for item in contract.clauses if item.local_id == "canaries/flake-builds")
    records = ProofRecords(canaries={"flake": CanaryRecord("flake", {"builds": CheckResult(True, "built")})})
    if vantage.about.kind not in ("docker", "local"):
        result = PLACES[vantage.about.kind](ProverOptions()).prove(contract, [clause])
        assert not isinstance(result.records, ProofRecords), (
            "a place that proves needs an example of its proof"
        )
        records = ProofRecords(canaries={"flake": result.records})
    where = proofs.ProofContext("", vantage.about)
    return proofs.judge(canary, contract, records, where, today=TODAY)


def page_part(contract: Contract) -> str:
    """The table as Markdown: kinds of promise of a section that are alike share a row; then why a cell is empty."""
    shown = table(contract)
    names = list(next(iter(shown.values())))
    lines = [f"| clauses | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for section, ids in groupby(shown, lambda local_id: local_id.partition("/")[0]):
        rows: dict[tuple[str, ...], list[str]] = {}
        for local_id in ids:
            rows.setdefault(tuple(item.cell for item in shown[local_id].values()), []).append(local_id)
        for cells, alike in rows.items():
            subjects = f"`{section}`" if len(rows) == 1 else ", ".join(f"`{name}`" for name in alike)
            lines.append(f"| {subjects} | {' | '.join(cells)} |")
    reasons: dict[str, dict[str, None]] = {}
    for by_vantage in shown.values():
        for name, item in by_vantage.items():
            for verdict in item.verdicts:
                if verdict.outcome is not Outcome.KEPT:
                    reasons.setdefault(f"{verdict.outcome.value}: {verdict.observation}", {})[name] = None
    lines += ["", f"Why a cell has `{NOTHING}` or *in part*, as the verdicts say it:", ""]
    lines += [f"- {', '.join(where)}: *{reason}*" for reason, where in reasons.items()]
    return "\n".join(lines)
