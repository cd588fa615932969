"""Programs in containers of a real engine: how they end, and when their end is told."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import docker
import pytest

from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, remove_container

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    connected = engine.connect()
    yield connected
    connected.close()


@contextlib.contextmanager
def started(client: docker.DockerClient) -> Iterator[str]:
    run = RunLabels()
    created = client.api.create_container(
        "tinyland-nix",
        ["600"],
        entrypoint="sleep",
        name=run.name("programs"),
        labels=run.labels,
        host_config=client.api.create_host_config(network_mode="none"),
    )["Id"]
    try:
        client.api.start(created)
        yield created
    finally:
        remove_container(client, created)


@pytest.fixture(scope="module")
def container(client: docker.DockerClient) -> Iterator[str]:
    with started(client) as created:
        yield created


def test_program_exits_though_its_child_holds_output(client: docker.DockerClient, container: str) -> None:
    completed = engine.execute(client, container, ["sh", "-c", "sleep 60 & echo said; exit 3"], deadline=30)
    assert (completed.status, completed.stdout, completed.ended) == (3, b"said\n", "")


def test_silence_is_not_an_exit(client: docker.DockerClient, container: str) -> None:
    completed = engine.execute(
        client, container, ["sh", "-c", "sleep 4; echo late; sleep 4; echo end"], deadline=60
    )
    assert (completed.status, completed.stdout, completed.ended) == (0, b"late\nend\n", "")


def test_program_beyond_deadline_keeps_its_output(client: docker.DockerClient, container: str) -> None:
    completed = engine.execute(client, container, ["sh", "-c", "echo begun; sleep 60"], deadline=3)
    assert (completed.status, completed.stdout, completed.ended) == (None, b"begun\n", "no exit within 3 s")


def test_killed_container_differs_from_killed_program(client: docker.DockerClient) -> None:
    with started(client) as container:
        alone = engine.execute(client, container, ["sh", "-c", "kill -9 $$"], deadline=30)
        threading.Timer(1, lambda: client.api.kill(container)).start()
        both = engine.execute(client, container, ["sleep", "60"], deadline=30)
    assert (alone.status, alone.ended) == (137, "")
    assert (both.status, both.ended) == (None, "container exited with status 137")
