"""Somebody's own Nix cache, which the run did not start: proved when writing is allowed, and not touched otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load, load_environment
from builder_contracts.prove.backends import DockerBackend
from builder_contracts.run.prover import Prover, ProverOptions
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, close
from builder_contracts.services.catalog import ServiceContainer, ServiceSpec, nix_cache
from builder_contracts.services.environment import Environment
from builder_contracts.services.principals import Credentials
from builder_contracts.services.stack import ServiceStack
from builder_contracts.verdict import Outcome, Verdict
from tests.prove.conftest import ROOT, Worlds

pytestmark = pytest.mark.docker


@pytest.fixture
def own(worlds: Worlds) -> Iterator[tuple[ServiceStack, Credentials, str]]:
    """A cache on a network of its own, as somebody may have it; what the proofs start is elsewhere."""
    client, run, credentials = engine.connect(), RunLabels(), Credentials.random()
    host = ServiceStack(client, run, name="own", routed=True)
    whole = nix_cache("own.example", credentials)
    part = whole.parts[0]
    conf = part.files["nginx.conf"].replace("dav_methods PUT;", "dav_methods PUT DELETE;")
    host.start(
        [
            ServiceSpec(
                whole.name,
                whole.alias,
                (ServiceContainer(part.name, part.command, {"nginx.conf": conf}),),
                whole.ready,
            )
        ]
    )
    try:
        host.up("nix-cache")
        yield host, credentials, "http://own.example/main"
    finally:
        host.close()
        close(client, run)
        client.close()


def network(session: Prover) -> str:
    """The network that the runners of a session are on."""
    place = session.place()
    assert isinstance(place, DockerBackend)
    return place.host.network


def prove(
    worlds: Worlds,
    folder: Path,
    own: tuple[ServiceStack, Credentials, str],
    allow: frozenset[str],
    touched_from: str = "containers",
) -> dict[str, Verdict]:
    host, _, url = own
    file = folder / "own.yaml"
    file.write_text(
        "apiVersion: builder-contracts/v1\nkind: Environment\n"
        "metadata: {name: own, summary: A cache of my own}\n"
        f"touched_from: {touched_from}\n"
        f"roles:\n  nix: {{url: '{url}', writer: OWN_WRITER, reader: OWN_READER}}\n",
        "utf-8",
    )
    contract = load(ROOT / "contracts/tinyland-nix.yaml")
    clauses = [
        clause for clause in contract.clauses if clause.local_id.startswith(("caches/nix", "publication/nix"))
    ]
    session = Prover(
        ProverOptions(bindings=Environment.from_document(load_environment(file).data), allow_writes=allow)
    )
    worlds.sessions.append(session)
    # Two networks of one host do not reach each other: the cache joins that of the proofs, as a stranger.
    container = host.up("nix-cache").containers[0]
    host.client.api.connect_container_to_network(container, network(session), aliases=["own.example"])
    return {clause.local_id: session.verdict(clause, contract, clauses) for clause in clauses}


def test_own_cache_is_proved_and_cleaned_up(
    worlds: Worlds,
    own: tuple[ServiceStack, Credentials, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host, credentials, _ = own
    monkeypatch.setenv("OWN_WRITER", f"writer:{credentials.writer.secret}")
    monkeypatch.setenv("OWN_READER", f"reader:{credentials.reader.secret}")
    verdicts = prove(worlds, tmp_path, own, frozenset({"nix"}))
    assert {
        local_id: verdict.observation
        for local_id, verdict in verdicts.items()
        if verdict.outcome is not Outcome.KEPT
    } == {}
    assert any("written data removed" in line for line in verdicts["caches/nix-substituted"].witnesses)
    leftovers = (
        host.execute("nix-cache", ["find", "/srv/data/nix/main", "-type", "f"]).stdout.decode().split()
    )
    assert leftovers == ["/srv/data/nix/main/nix-cache-info"]


def test_interrupted_proof_removes_what_it_published(
    worlds: Worlds,
    own: tuple[ServiceStack, Credentials, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host, credentials, _ = own
    monkeypatch.setenv("OWN_WRITER", f"writer:{credentials.writer.secret}")
    with ThreadPoolExecutor() as pool:
        proving = pool.submit(prove, worlds, tmp_path, own, frozenset({"nix"}))
        while not any(
            line.get("method") == "PUT" and line.get("status") == 201 for line in host.log("nix-cache")
        ):
            assert not proving.done(), proving.result()
            time.sleep(0.02)
        worlds.sessions[0].close()
        verdicts = proving.result(timeout=60)
    assert {verdict.outcome for verdict in verdicts.values()} == {Outcome.UNPROVEN}
    leftovers = (
        host.execute("nix-cache", ["find", "/srv/data/nix/main", "-type", "f"]).stdout.decode().split()
    )
    assert leftovers == ["/srv/data/nix/main/nix-cache-info"]


@pytest.mark.parametrize(
    ("allow", "touched_from"), [(frozenset(), "containers"), (frozenset({"nix"}), "runners")]
)
def test_own_cache_is_not_contacted_without_permission(
    worlds: Worlds,
    own: tuple[ServiceStack, Credentials, str],
    tmp_path: Path,
    allow: frozenset[str],
    touched_from: str,
) -> None:
    host, _, _ = own
    before = len(host.log("nix-cache"))
    verdicts = prove(worlds, tmp_path, own, allow, touched_from)
    assert {verdict.outcome for verdict in verdicts.values()} == {Outcome.UNPROVEN}
    assert not any(verdict.provable_here for verdict in verdicts.values())
    assert len(host.log("nix-cache")) == before


@pytest.mark.parametrize("builder", ["tinyland-nix", "tinyland-docker", "tinyland-dind"])
def test_deployment_is_out_of_reach_of_containers(worlds: Worlds, builder: str) -> None:
    bindings = Environment.from_document(load_environment(ROOT / "contracts/environments/tinyland.yaml").data)
    session = Prover(ProverOptions(bindings=bindings, allow_writes=frozenset(bindings.roles)))
    worlds.sessions.append(session)
    contract = load(ROOT / f"contracts/{builder}.yaml")
    clauses = [
        clause for clause in contract.clauses if clause.local_id.startswith(("caches/", "publication/"))
    ]
    verdicts = {clause.local_id: session.verdict(clause, contract, clauses) for clause in clauses}
    assert {verdict.outcome for verdict in verdicts.values()} == {Outcome.UNPROVEN}
    assert not any(verdict.provable_here for verdict in verdicts.values())
    # Not even by mistake: the runners' network has no way out.
    client = engine.connect()
    assert client.api.inspect_network(network(session))["Internal"] is True
    client.close()
