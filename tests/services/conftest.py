"""The services of the embedded environment as fixtures, one each, usable by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from builder_contracts.errors import EngineError
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, close, sweep
from builder_contracts.services.catalog import SERVICES, ServiceSpec
from builder_contracts.services.principals import Credentials
from builder_contracts.services.stack import ServiceStack


@dataclass
class World:
    """A network with services, and the identities that they know."""

    host: ServiceStack
    credentials: Credentials

    def start(self, name: str, alias: str = "") -> ServiceSpec:
        """Start a service of the catalogue and wait for it."""
        service = SERVICES[name](alias or f"{name}.example", self.credentials)
        self.host.start([service])
        self.host.up(name)
        return service


@pytest.fixture
def world() -> Iterator[World]:
    try:
        client = engine.connect()
    except EngineError as error:
        pytest.skip(f"needs a Docker Engine: {error}")
    if engine.describe_image(client, "builder-contracts/services") is None:
        pytest.skip("needs the image builder-contracts/services: script/images builds it")
    sweep(client)
    run = RunLabels()
    host = ServiceStack(client, run)
    try:
        yield World(host, Credentials.random())
    finally:
        host.close()
        close(client, run)
        client.close()


@pytest.fixture
def nix_cache(world: World) -> ServiceSpec:
    return world.start("nix-cache")


@pytest.fixture
def bazel_grpc(world: World) -> ServiceSpec:
    return world.start("bazel-grpc")


@pytest.fixture
def bazel_http(world: World) -> ServiceSpec:
    return world.start("bazel-http")


@pytest.fixture
def registry(world: World) -> ServiceSpec:
    return world.start("registry")


@pytest.fixture
def objects(world: World) -> ServiceSpec:
    return world.start("objects")
