"""Limits of commands and of GitLab's runners beside those of jobs."""

from __future__ import annotations

import pytest

from tests.truth.conftest import Judge, contradicted
from tests.truth.miniature import CLEAN

JOB = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{run: '%s'}]\n"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("timeout 6m make", 1),
        ("sudo timeout -k 5 --signal=INT 301 make", 1),
        ("timeout 300 make", 0),
        ("helm upgrade x y --timeout 1h30m --wait", 1),
        ("kubectl wait pod/x --timeout=60s | tee log --timeout=9h", 0),
        ("# timeout 6m make", 0),
        ("timeout $LONG make", 0),
        ("curl --connect-timeout 400 x", 0),
    ],
)
def test_command_fits_into_its_job(judged: Judge, command: str, expected: int) -> None:
    for limit, count in (("    timeout-minutes: 5\n", expected), ("", 0)):
        tree = {**CLEAN, ".github/workflows/w.yml": JOB % command + limit}
        assert len(contradicted(judged, tree, "time-budgets")) == count


RUNNER = 'resource "gitlab_user_runner" "r" {\n  tag_list = TAGS\n  maximum_timeout = 3600\n}\n'


@pytest.mark.parametrize(
    ("timeout", "tags", "expected"),
    [
        ("90 minutes", '["nix", "x"]', 1),
        ("1h 30m", '["nix"]', 1),
        ("3601", '["nix"]', 1),
        ("1 hour", '["nix"]', 0),
        ("2 fortnights", '["nix"]', 0),
        ("90 minutes", '["other"]', 0),
        ("90 minutes", "var.tags", 0),
    ],
)
def test_runner_lets_a_job_have_its_time(judged: Judge, timeout: str, tags: str, expected: int) -> None:
    """A module's default ends jobs after an hour, and the job of a slow build was given ninety minutes."""
    runner = RUNNER.replace("TAGS", tags)
    tree = {
        **CLEAN,
        ".gitlab-ci.yml": f"stages: [build]\na: {{stage: build, tags: [nix], timeout: {timeout}, script: [x]}}\n",
        "tofu/stacks/gl/main.tf": 'terraform {\n  backend "http" {}\n}\nvariable "tags" {}\n' + runner,
    }
    assert len(contradicted(judged, tree, "time-budgets")) == expected
    tree["tofu/stacks/gl/longer.tf"] = runner.replace('"r"', '"s"').replace("3600", "7200")
    assert not contradicted(judged, tree, "time-budgets")
