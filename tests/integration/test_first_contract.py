"""A first contract is kept by the image that it was written from."""

from __future__ import annotations

import json
from pathlib import Path

import docker
import pytest

from builder_contracts.errors import ExitCode
from tests.cli.terminal import run

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("image", ["tinyland-nix", "builder-contracts/base:sid"])
def test_a_first_contract_is_kept_right_after(
    client: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    del client  # skips without an engine
    started = run("init", "--image", image, "--name", "sample", "--level", "all", cwd=tmp_path)
    assert started.status == ExitCode.KEPT, started.err
    checked = run("check", "--strict", "--format", "json", cwd=tmp_path)
    outcomes = {verdict["clause"]: verdict["outcome"] for verdict in json.loads(checked.out)["verdicts"]}
    assert {clause for clause, outcome in outcomes.items() if outcome != "kept"} == set()
    assert len(outcomes) > 40
    assert checked.status == ExitCode.KEPT
