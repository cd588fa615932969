"""A canary whose engine or container is taken away in the middle of its build proves nothing, and breaks nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import docker
import docker.errors
import pytest

from builder_contracts.errors import ExitCode
from builder_contracts.runner.docker import cleanup
from builder_contracts.runner.docker.cleanup import RUN
from tests.integration.test_interruptions import Relay, belongings, wait_for

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]


def remove(client: docker.DockerClient, container: str, _: Relay) -> None:
    client.api.remove_container(container, force=True)


def runs_nix(client: docker.DockerClient, container: str) -> bool:
    """Whether a build runs in a container, which may end while it is asked."""
    try:
        lines = client.api.top(container)["Processes"] or []
    except docker.errors.APIError:
        return False
    return any("nix build" in " ".join(line) for line in lines)


def drop(_: docker.DockerClient, __: str, relay: Relay) -> None:
    relay.stop()


@pytest.mark.parametrize("fault", [remove, drop])
def test_canary_that_is_lost_is_unproven(
    client: docker.DockerClient,
    tmp_path: Path,
    fault: Callable[[docker.DockerClient, str, Relay], None],
) -> None:
    relay = Relay(tmp_path / "engine.sock")
    process = subprocess.Popen(
        [sys.executable, "-m", "builder_contracts", "check", "contracts/tinyland-nix.yaml", "-k", "canaries/*"],
        cwd=ROOT, env={**os.environ, "DOCKER_HOST": f"unix://{relay.path}"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    building: list[str] = []

    def builds() -> bool:
        listed = client.api.containers(filters={"label": RUN})
        owned = belongings(client, process.pid)
        candidates = [
            entry["Id"] for entry in listed if entry["Names"][0] in owned and "-build-" in entry["Names"][0]
        ]
        building[:] = [container for container in candidates if runs_nix(client, container)]
        return bool(building)

    wait_for(builds, 120)
    fault(client, building[0], relay)
    output, _ = process.communicate(timeout=180)
    relay.stop()

    assert process.returncode == ExitCode.UNPROVEN, output
    assert "BROKEN" not in output
    assert "Traceback" not in output
    # The first build or the one after it, whichever was seen.
    assert "canaries/flake-rebuild  UNPROVEN" in output
    assert "0 broken" in output
    cleanup.sweep(client)
    assert belongings(client, process.pid) == []
