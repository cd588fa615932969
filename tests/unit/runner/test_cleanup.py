"""What an engine refuses to remove is named, with the reason."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from builder_contracts.errors import ExitCode
from builder_contracts.runner.docker import cleanup, engine
from builder_contracts.runner.docker.cleanup import OWNER, Owner, RunLabels
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.runner.local import scratch_folder
from tests.cli.terminal import COMMAND
from tests.unit.runner.fake_engine import Failure, FakeEngine

DEAD = json.dumps({"boot": "", "namespace": "", "pid": 1, "started": ""})
LISTED: dict[str, Any] = {
    "GET /containers": [{"Id": "c1", "Names": ["/one"], "Labels": {}}],
    "GET /networks": [{"Id": "n1", "Name": "two", "Labels": {}}],
    "GET /volumes": {"Volumes": [{"Name": "three", "Labels": None}]},
}


def close(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: dict[str, Any]) -> Leftovers:
    fake = FakeEngine(tmp_path / "engine.sock", replaced)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    try:
        return cleanup.close(engine.connect(), RunLabels(id="run"))
    finally:
        fake.server_close()


def test_refused_removals_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = {
        "DELETE /containers/c1": Failure(500, "device busy"),
        "DELETE /networks/n1": Failure(403, "has active endpoints"),
        "DELETE /volumes/three": b"<html>",
    }
    left = close(tmp_path, monkeypatch, {**LISTED, **refusals})
    assert left.refused == (
        "container one (device busy)",
        "network two (has active endpoints)",
        # The engine agreed, and did nothing.
        "volume three (the engine still lists it)",
    )
    assert left.lines[0] == "left behind: container one (device busy)"


def test_nothing_remains_of_a_run_without_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert close(tmp_path, monkeypatch, {}) == Leftovers()


def test_lost_engine_leaves_everything_unchecked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = close(tmp_path, monkeypatch, {"GET /networks": Failure(500, "gone")})
    assert left.refused == ()
    assert "the engine is lost (gone); the next run removes it" in left.unchecked[0]
    assert "dev.builder-contracts.run=run" in left.unchecked[0]


def test_sweep_names_what_it_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Owner, "is_dead", lambda self: self.pid == 1)
    container = {"Id": "c1", "Names": ["/one"], "Labels": {OWNER: DEAD}}
    fake = FakeEngine(tmp_path / "engine.sock", {"GET /containers": [container]})
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    try:
        client = engine.connect()
        assert cleanup.sweep(client) == []
        assert fake.calls.count("DELETE /containers/c1") == 3
        fake.replaced = {}
        assert cleanup.sweep(client) == []
    finally:
        fake.server_close()


def test_run_with_a_refused_removal_has_its_own_exit_code(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "sample.yaml").write_text(
        "apiVersion: builder-contracts/v1\nkind: BuilderClass\n"
        "metadata: {name: sample, summary: A sample of a builder class, owner: me}\n"
        "labels: [sample]\nimage: {reference: sample}\nisolation: {privileged: false}\n"
    )
    fake = FakeEngine(
        tmp_path / "engine.sock", {**LISTED, "DELETE /containers/c1": Failure(500, "device busy")}
    )
    environment = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/engine.sock"}
    try:
        completed = subprocess.run(
            [*COMMAND, "check"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
    finally:
        fake.server_close()
    assert completed.returncode == ExitCode.LEFT_BEHIND, completed.stdout + completed.stderr
    assert "left behind: container one (device busy)" in completed.stderr


def test_directory_that_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    folder.mkdir()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "rmdir", refuse)
    left = scratch_folder.clear(folder)
    assert left.refused[0].startswith(f"directory {folder} (")
    assert "Operation not permitted" in left.refused[0]
