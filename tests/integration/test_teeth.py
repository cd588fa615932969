"""Teeth of this repository's own contracts, on their real images."""

from __future__ import annotations

import json
from pathlib import Path

import docker
import pytest

from builder_contracts.errors import ExitCode
from tests.cli.terminal import run

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.mark.parametrize("builder", ["tinyland-nix", "tinyland-docker", "tinyland-dind"])
def test_every_clause_goes_red_or_says_why_not(client: docker.DockerClient, builder: str) -> None:
    del client  # skips without an engine
    tried = run("teeth", builder, "--format", "json", cwd=ROOT)
    assert tried.status == ExitCode.KEPT, tried.err
    (answer,) = json.loads(tried.out)["classes"]
    # What is declared, shown by doing or not provable on this host has a reason instead.
    observed = [clause for clause in answer["clauses"] if not clause["reason"]]
    assert [clause["id"] for clause in observed if not clause["red"]] == []
    assert len(observed) > 90
    assert answer["totals"]["stayed_kept"] == 0
