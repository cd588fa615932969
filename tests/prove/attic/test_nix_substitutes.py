"""Real Nix against the replayed Attic server: what the class's runner gets from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load, load_environment
from builder_contracts.prove.backends import DockerBackend
from builder_contracts.run.prover import Prover, ProverOptions
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, close
from builder_contracts.services.catalog import CONF, ServiceContainer, ServiceSpec
from builder_contracts.services.environment import Environment
from builder_contracts.services.stack import ServiceStack
from builder_contracts.verdict import Outcome, Verdict
from tests.prove.attic.conftest import RIGHTS, TOKENS
from tests.prove.attic.replay import ANSWERS
from tests.prove.conftest import ROOT, Worlds
from tests.prove.pool import pool

pytestmark = pytest.mark.docker
HOST = "attic.example"
VARIABLES = {f"ATTIC_{name.upper()}": f"x:{TOKENS[name]}" for name in ("reader", "writer", "owner")}
ENVIRONMENT = (
    "apiVersion: builder-contracts/v1\nkind: Environment\n"
    "metadata: {name: attic, summary: A private cache of Attic}\ntouched_from: containers\n"
    f"roles:\n  nix: {{url: 'http://{HOST}/main', writer: ATTIC_WRITER, reader: ATTIC_READER, owner: ATTIC_OWNER}}\n"
)


def spec(*mutations: str) -> ServiceSpec:
    """The replayed server, in which the cache main is private."""
    settings = {"tokens": RIGHTS, "caches": {"main": False}, "mutations": mutations}
    files = {
        "replay.py": Path(__file__).with_name("replay.py").read_text("utf-8"),
        ANSWERS.name: ANSWERS.read_text("utf-8"),
        "settings.json": json.dumps(settings),
    }
    command = ("python", f"{CONF}/replay.py", f"{CONF}/settings.json")
    return ServiceSpec("attic", HOST, (ServiceContainer("attic", command, files),), ("tcp://127.0.0.1:80",))


@pytest.fixture
def stacks(worlds: Worlds) -> Iterator[ExitStack]:  # its images are needed
    with ExitStack() as created:
        yield created


def prove(
    worlds: Worlds, stacks: ExitStack, folder: Path, monkeypatch: pytest.MonkeyPatch, *mutations: str
) -> dict[str, Verdict]:
    """The verdicts of a class in containers, on its private cache."""
    client, run = engine.connect(), RunLabels()
    stacks.callback(client.close)
    stacks.callback(close, client, run)
    host = ServiceStack(client, run, name="attic", routed=True)
    stacks.callback(host.close)
    host.start([spec(*mutations)])
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    file = folder / "attic.yaml"
    file.write_text(ENVIRONMENT, "utf-8")
    contract = load(ROOT / "contracts/tinyland-nix.yaml")
    clauses = [
        clause for clause in contract.clauses if clause.local_id.startswith(("caches/nix", "publication/nix"))
    ]
    bindings = Environment.from_document(load_environment(file).data)
    session = Prover(ProverOptions(bindings=bindings, allow_writes=frozenset({"nix"})))
    worlds.sessions.append(session)
    container = host.up("attic").containers[0]
    place = session.place()
    assert isinstance(place, DockerBackend)
    client.api.connect_container_to_network(container, place.host.network, aliases=[HOST])
    return {clause.local_id: session.verdict(clause, contract, clauses) for clause in clauses}


def test_unchanged_recording_keeps_every_clause(
    worlds: Worlds, tmp_path: Path
) -> None:  # its images are needed
    """On a runner of the pool, where the bad caches are directories."""
    with pool(tmp_path) as runners:
        runners.host.start([spec()])
        runners.host.up("attic")
        (runners.folder / "attic.yaml").write_text(ENVIRONMENT, "utf-8")
        machine = runners.runner("tinyland-nix")
        options = ("-k", "caches/nix or publication/nix", "--allow-writes", "nix")
        result = machine.check("--environment", "/world/attic.yaml", *options, environment=VARIABLES)
        assert len(result.kept) == len(result.evidence) == 12, result.text
        assert {line["rung"] for line in result.evidence.values()} == {"C3"}
        witnesses = result.evidence["caches/nix-substituted"]["witnesses"]
        assert "server: deployed, log unavailable; written data removed" in witnesses
        assert not any(token in result.text + str(result.evidence) for token in TOKENS.values())


def test_signature_by_another_key_is_not_substituted(
    worlds: Worlds, stacks: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = prove(worlds, stacks, tmp_path, monkeypatch, "wrong-key")
    broken = [verdict for verdict in verdicts.values() if verdict.outcome is Outcome.BROKEN]
    assert [verdict.clause.partition("/")[2] for verdict in broken] == ["caches/nix-substituted"]
    assert "not signed by any of the keys" in broken[0].observation
    kept = {local_id for local_id, verdict in verdicts.items() if verdict.outcome is Outcome.KEPT}
    assert {f"publication/nix-{name}" for name in ("anonymous", "reader", "writer")} <= kept
