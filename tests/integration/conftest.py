"""The engine, for tests that run a whole check in it."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from builder_contracts.errors import EngineError
from builder_contracts.runner.docker import engine


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    try:
        client = engine.connect()
    except EngineError as error:
        pytest.skip(f"needs a Docker Engine: {error}")
    if engine.describe_image(client, "tinyland-nix") is None:
        pytest.skip("needs the image tinyland-nix: script/images builds it")
    yield client
    client.close()
