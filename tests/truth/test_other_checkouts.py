"""Actions and reusable workflows of other repositories are followed into the checkouts that are given."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from builder_contracts.cli import group
from builder_contracts.errors import InputError
from builder_contracts.truth.other_checkouts import given_checkouts
from builder_contracts.truth.session import load
from builder_contracts.truth.verdicts import TruthReport, judge
from tests.truth.conftest import CONTRACTS
from tests.truth.miniature import write

CALLER = (
    "on: push\njobs:\n  call:\n    uses: o/shared/.github/workflows/%s@v1\n    with: {runner: tinyland-nix}\n"
)
CALLED = """\
on: {workflow_call: {inputs: {runner: {type: string}}}}
jobs:
  build:
    runs-on: ${{ inputs.runner }}
    steps: [{run: docker build .}]
"""
JOB = "on: push\njobs:\n  build:\n    runs-on: tinyland-nix\n    steps: [{uses: %s}]\n"
COMPOSITE = """\
inputs: {push: {default: 'false'}}
runs:
  using: composite
  steps: [{if: "inputs.push == 'true'", run: docker push x, shell: bash}]
"""
SHARED = {
    ".github/workflows/build.yml": CALLED,
    ".github/workflows/nested.yml": CALLER.replace("o/shared/", "./").replace("@v1", "") % "build.yml",
    ".github/workflows/lost.yml": CALLER.replace("o/shared/", "./").replace("@v1", "") % "none.yml",
    "image/action.yml": COMPOSITE,
    "container/action.yaml": "runs: {using: docker, image: Dockerfile}\n",
    "outer/action.yml": "runs: {using: composite, steps: [{uses: O/shared/image@v1, with: {push: 'true'}}]}\n",
}


def judged_with(tmp_path: Path, workflow: str, ref: str = "") -> TruthReport:
    repo = write(tmp_path / "repo", {".github/workflows/ci.yml": workflow})
    shared = write(tmp_path / "shared", SHARED)
    return judge(repo, *load(CONTRACTS), others=given_checkouts([f"O/Shared{ref}={shared}"]))


@pytest.mark.parametrize(
    ("workflow", "places", "listed"),
    [
        (CALLER % "build.yml", ["build.yml:5"], 0),
        (CALLER % "nested.yml", ["build.yml:5"], 0),
        (CALLER % "lost.yml", [], 2),
        (CALLER % "../../../secret.yml", [], 2),
        (CALLER.replace("o/shared", "o/other") % "build.yml", [], 2),
        (JOB % "o/shared/image@v1", [], 0),
        (JOB % "o/shared/image@v1, with: {push: 'true'}", ["action.yml:4"], 0),
        (JOB % "o/shared/outer@v1", ["action.yml:4"], 0),
        (JOB % "o/shared/container@v1", ["ci.yml:5"], 0),
    ],
)
def test_job_needs_what_it_calls_in_another_checkout(
    tmp_path: Path, workflow: str, places: list[str], listed: int
) -> None:
    report = judged_with(tmp_path, workflow)
    assert [
        f"{Path(finding.actual.at.file).name}:{finding.actual.at.line}" for finding in report.findings
    ] == places
    assert sum("in another repository" in place.reason for place in report.unjudged) == listed


def test_action_of_this_checkout_in_a_container_needs_a_daemon(tmp_path: Path) -> None:
    action = "runs: {using: docker, image: docker://alpine}\n"
    repo = write(tmp_path, {".github/workflows/ci.yml": JOB % "./a", "a/action.yml": action})
    (finding,) = judge(repo, *load(CONTRACTS)).findings
    assert finding.expected.says == "tinyland-nix does not promise a Docker daemon"


def test_link_out_of_another_checkout_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, {"outside/action.yml": COMPOSITE, "shared/README.md": ""})
    (tmp_path / "shared/image").symlink_to(tmp_path / "outside")
    others = given_checkouts([f"o/shared={tmp_path / 'shared'}"])
    assert others.action("o/shared/image") is None


@pytest.mark.parametrize(
    "option", ["o/shared", "shared=.", "o/=.", "a/b/c=.", "o/shared=missing", "o/shared@=."]
)
def test_checkout_that_names_nothing_is_bad_input(option: str) -> None:
    with pytest.raises(InputError, match="--checkout"):
        given_checkouts([option])


@pytest.mark.parametrize("command", [["truth", "--repo"], ["workflows"]])
def test_commands_take_other_checkouts(tmp_path: Path, command: list[str]) -> None:
    judged_with(tmp_path, CALLER % "build.yml")
    given = ["--checkout", f"o/shared={tmp_path / 'shared'}", "--contracts", str(CONTRACTS)]
    result: Result = CliRunner().invoke(group, [*command, str(tmp_path / "repo"), *given])
    assert result.exit_code == 1, result.output
    assert "shared/.github/workflows/build.yml:5" in result.output


@pytest.mark.parametrize(
    "workflow", [CALLER % "build.yml", CALLER % "nested.yml", JOB % "o/shared/image@v1, with: {push: 'true'}"]
)
def test_checkout_of_another_ref_is_not_taken(tmp_path: Path, workflow: str) -> None:
    assert len(judged_with(tmp_path / "same", workflow, "@v1").findings) == 1
    report = judged_with(tmp_path / "other", workflow, "@v2")
    assert report.findings == ()
    calls = [place.reason for place in report.unjudged if place.clause.endswith("workflows/needs")]
    assert [reason.rpartition("; ")[2] for reason in calls] == ["the given checkout is of v2"]


def test_checkout_that_is_given_twice_is_bad_input() -> None:
    with pytest.raises(InputError, match="given twice"):
        given_checkouts(["o/shared@v1=.", "O/shared=."])
