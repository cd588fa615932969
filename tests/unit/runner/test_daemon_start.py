"""The start of a class's daemon: what the class shows is a failure, what the engine or the host shows is unseen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from builder_contracts.facts.model import Unseen
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels
from builder_contracts.runner.docker.launch_plan import DaemonPlan, LaunchPlan
from builder_contracts.runner.docker.network import RunNetwork
from builder_contracts.runner.docker.network_plan import EMPTY
from builder_contracts.runner.docker.runner import DockerRunner
from builder_contracts.runner.protocol import CompletedCommand
from tests.unit.runner.fake_engine import Failure, FakeEngine

BUSY = b"some avg10=99.68 avg60=%s avg300=99.51 total=2483775400\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
NEVER = "the daemon never became ready"

ROWS: dict[str, tuple[dict[str, Any], CompletedCommand, bytes, str | None, str]] = {
    "responds": ({}, CompletedCommand(0, b"", b""), b"", None, ""),
    "exits": ({}, CompletedCommand(None, b"", b"", "container exited with status 1: boom"), b"", NEVER, "no response within 30 s"),
    "is silent": ({}, CompletedCommand(None, b"", b"", "no exit within 30 s"), BUSY % b"9.00", NEVER, "no response within 30 s"),
    "is silent, and the kernel keeps no pressure": (
        {}, CompletedCommand(None, b"", b"", "no exit within 30 s"), b"", NEVER, "no response within 30 s",
    ),
    "is silent on a busy host": (
        {}, CompletedCommand(None, b"", b"", "no exit within 30 s"), BUSY % b"99.52", "waited for a CPU 100% of the time", "",
    ),
    "is killed": ({}, CompletedCommand(None, b"", b"", "container exited with status 137"), b"", "status 137", ""),
    "is lost": (
        {}, CompletedCommand(None, b"", b"", "lost the command in the engine: gone"), b"", "whether the daemon became ready: lost", "",
    ),
    "is refused by the engine": ({"POST /containers/start": Failure(500, "no space left")}, CompletedCommand(0, b"", b""), b"", "no space left", ""),
    "is not in the image": (
        {"POST /containers/start": Failure(400, "exec: dockerd: executable file not found")}, CompletedCommand(0, b"", b""), b"",
        NEVER, "executable file not found",
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_daemon_that(row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced, waited, pressure, unseen, failure = ROWS[row]

    def execute(_: object, __: str, arguments: Sequence[str], **___: object) -> CompletedCommand:
        return CompletedCommand(0, pressure, b"") if arguments[0] == "cat" else waited

    monkeypatch.setattr(engine, "execute", execute)
    fake = FakeEngine(tmp_path / "engine.sock", {"GET /containers/logs": b"", **replaced})
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    try:
        client, run = engine.connect(), RunLabels()
        network = RunNetwork(client, run, EMPTY)
        runner = DockerRunner(client, run, name="sample", image="sample", plan=LaunchPlan(), network=network)
        runner._containers = ["c1"]
        ready_after, observed_failure = runner._start_daemon(DaemonPlan(2375, 30))
        network.close()
    finally:
        fake.server_close()
    if unseen is None:
        assert isinstance(ready_after, float)
    else:
        assert isinstance(ready_after, Unseen)
        assert unseen in ready_after.reason
    assert bool(observed_failure) is bool(failure)
    assert failure in observed_failure
