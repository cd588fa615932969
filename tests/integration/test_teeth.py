"""Teeth of this repository's own contracts, on a real image."""

from __future__ import annotations

import json
from pathlib import Path

import docker
import pytest

from builder_contracts.errors import ExitCode
from tests.cli.terminal import run

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.docker, pytest.mark.slow]


def test_every_clause_of_a_class_goes_red_or_says_why_not(client: docker.DockerClient) -> None:
    del client  # skips without an engine
    tried = run("teeth", "tinyland-nix", "--format", "json", cwd=ROOT)
    assert tried.status == ExitCode.KEPT, tried.err
    (answer,) = json.loads(tried.out)["classes"]
    for clause in answer["clauses"]:
        reasons = [clause["reason"], *(mutant["reason"] for mutant in clause["mutants"])]
        assert clause["red"] or any(reasons), clause["id"]
    assert answer["totals"]["stayed_kept"] == 0
    # Most of what is observed has a contrary that the contract language can say.
    assert answer["totals"]["red"] > 120
