"""Services that are started by hand say how to reach them, and go when they are told to."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.services.conftest import World

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_services_by_hand_are_removed_at_exit(world: World, signal_number: signal.Signals) -> None:
    command = [sys.executable, "-m", "builder_contracts.services", "nix-cache"]
    output: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as started:
        assert started.stdout is not None
        for line in started.stdout:
            output.append(line)
            if "Ctrl-C" in line:
                break
        started.send_signal(signal_number)
        output.append(started.stdout.read())
        assert started.wait(timeout=60) == 0, output
    text = "".join(output)
    assert "nix-cache.example at " in text
    network = text.partition("on the network ")[2].split()[0]
    networks = [entry["Name"] for entry in world.host.client.api.networks()]
    assert network not in networks
    short = text.partition("docker logs -f ")[2].split()[0]
    assert not [
        entry for entry in world.host.client.api.containers(all=True) if entry["Id"].startswith(short)
    ]


def test_an_unknown_service_is_named() -> None:
    command = [sys.executable, "-m", "builder_contracts.services", "nix-cash"]
    completed = subprocess.run(command, capture_output=True, text=True)
    assert completed.returncode == 2
    assert "nix-cash" in completed.stderr
    assert "Traceback" not in completed.stderr
