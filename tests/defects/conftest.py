"""Builds broken variants of the reference images and observes them in a real engine."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import pytest

from builder_contracts.contract.loading import load, load_environment
from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.network import Reaches, Resolves, Responds
from builder_contracts.errors import EngineError
from builder_contracts.facts.model import Facts
from builder_contracts.judge import judge
from builder_contracts.observe.observation import gather
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, close, sweep
from builder_contracts.runner.docker.launch_plan import LaunchPlan, plan
from builder_contracts.runner.docker.network import RunNetwork
from builder_contracts.runner.docker.network_plan import NetworkPlan
from builder_contracts.runner.docker.runner import DockerRunner, describe_engine
from builder_contracts.verdict import Outcome, Verdict

ROOT = Path(__file__).parents[2]


@dataclass
class Seen:
    """What one observation found, as verdicts by local clause id."""

    facts: Facts
    verdicts: dict[str, Verdict]

    def ids(self, outcome: Outcome) -> set[str]:
        return {local_id for local_id, verdict in self.verdicts.items() if verdict.outcome is outcome}

    @property
    def broken(self) -> set[str]:
        return self.ids(Outcome.BROKEN)

    @property
    def unproven(self) -> set[str]:
        """Without what this host is too small for."""
        return {local_id for local_id in self.ids(Outcome.UNPROVEN) if self.verdicts[local_id].provable_here}


@dataclass
class Bench:
    """An engine with the run's networks, on which images are built, started and judged."""

    client: docker.DockerClient
    run: RunLabels
    network: RunNetwork
    images: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.about = describe_engine(self.client)

    def contract(self, name: str) -> Contract:
        return load(ROOT / "contracts" / f"{name}.yaml")

    def plan(self, contract: Contract) -> LaunchPlan:
        return plan(contract, host_cpus=self.about.cpus, host_memory=self.about.memory)

    def build(self, base: str, instructions: str) -> str:
        """An image with a few more instructions, run as root, on a reference image."""
        key = (base, instructions)
        if key not in self.images:
            api: Any = self.client.api
            user = api.inspect_image(base)["Config"]["User"] or "root"
            last = "" if "USER " in instructions else f"\nUSER {user}"
            text = f"FROM {base}\nUSER root\n{instructions}{last}\n"
            tag = f"builder-contracts-defect:{secrets.token_hex(6)}"
            self.client.images.build(
                fileobj=io.BytesIO(text.encode()), tag=tag, rm=True, forcerm=True, labels=self.run.labels
            )
            self.images[key] = tag
        return self.images[key]

    def observe(
        self,
        contract: Contract,
        *,
        image: str | None = None,
        launch: LaunchPlan | None = None,
        before: Callable[[DockerRunner], None] | None = None,
        deadline: float = 60,
    ) -> Seen:
        launch = launch or self.plan(contract)
        stand_ins = {}
        if any(clause.local_id == "network/deny/metadata" for clause in contract.clauses):
            stand_ins["metadata"] = self.network.stand_in("metadata")
        missing = self.network.hosts_failure()
        assert not missing, missing
        named = {
            promise.host for kind in (Resolves, Reaches, Responds) for promise in contract.promised(kind)
        }
        with DockerRunner(
            self.client,
            self.run,
            name=f"{contract.name}-{secrets.token_hex(3)}",
            image=image or contract.image,
            plan=launch,
            network=self.network,
            about_engine=self.about,
        ) as runner:
            forbidden = {name: future.result() for name, future in stand_ins.items()}
            if before is not None:
                before(runner)
            facts = gather(
                contract,
                runner,
                forbidden=forbidden,
                may_try=launch.network != "routed",
                unreachable_hosts=self.network.unreachable(named, launch.network),
                deadline=deadline,
            )
        today = datetime.now(UTC).date()
        return Seen(
            facts,
            {clause.local_id: judge(clause, facts, contract, today=today) for clause in contract.clauses},
        )


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    try:
        client = engine.connect()
    except EngineError as error:
        pytest.skip(f"needs a Docker Engine: {error}")
    missing = [
        name
        for name in ("tinyland-nix", "tinyland-docker", "tinyland-dind", "builder-contracts/services")
        if engine.describe_image(client, name) is None
    ]
    if missing:
        pytest.skip(f"needs the images {', '.join(missing)}: script/images builds them")
    sweep(client)
    surroundings = NetworkPlan.from_document(
        load_environment(ROOT / "contracts/environments/embedded.yaml").data
    )
    run = RunLabels()
    bench = Bench(client, run, RunNetwork(client, run, surroundings))
    try:
        yield bench
    finally:
        bench.network.close()
        close(client, run)
        for tag in bench.images.values():
            client.images.remove(tag, force=True)
        client.close()


@pytest.fixture
def write_contract(tmp_path: Path) -> Callable[[str], Contract]:
    """Load a contract from text; the sections are those of a class called ``sample``."""

    def write(sections: str, image: str = "tinyland-nix") -> Contract:
        path = tmp_path / "sample.yaml"
        path.write_text(
            "apiVersion: builder-contracts/v1\nkind: BuilderClass\n"
            "metadata: {name: sample, summary: a class for a single test, owner: tests}\n"
            f"labels: [sample]\n{sections}"
            + ("" if "\nimage:" in f"\n{sections}" else f"\nimage: {{reference: {image}}}\n"),
            "utf-8",
        )
        return load(path)

    return write
