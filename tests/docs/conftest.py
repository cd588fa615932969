"""A real registry for pages that use one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import docker
import pytest

from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.network import SERVICES_IMAGE

REGISTRY = """\
printf '%s\\n' 'version: 0.1' 'storage: {filesystem: {rootdirectory: /tmp/registry}}' 'http: {addr: ":5000"}' >/tmp/registry.yml
exec docker-registry serve /tmp/registry.yml
"""


@pytest.fixture
def registry() -> Iterator[str]:
    """The address of a registry on loopback that takes everything."""
    client: docker.DockerClient = engine.connect()
    container = client.containers.run(
        SERVICES_IMAGE, ["sh", "-c", REGISTRY], entrypoint="", detach=True, ports={"5000/tcp": ("127.0.0.1", 0)}
    )  # fmt: skip
    try:
        container.reload()
        ports: Any = container.ports
        address = f"127.0.0.1:{ports['5000/tcp'][0]['HostPort']}"
        until = time.monotonic() + 120
        while True:
            try:
                urlopen(f"http://{address}/v2/", timeout=5).close()  # loopback
                break
            except OSError:
                assert time.monotonic() < until, container.logs().decode()
                time.sleep(0.1)
        yield address
    finally:
        container.remove(force=True, v=True)
        client.close()
