"""What a night may write to, and with whose credentials: hidden first, given to the proofs alone, never interpreted."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from builder_contracts import plugin
from tests.dashboard.steps import Job, Step

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github" / "actions" / "check-contracts"
SECRET = "s3cr3t-of-this-test"

CONTRACT = """
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: tiny, summary: A class for tests of what a night may write to, owner: tests}
labels: [tiny]
image: {reference: tiny}
toolchain: {sh: present}
environment:
  variables: {TINY_WRITER: absent, CREDENTIALS: absent}
caches: {nix: read}
canaries: {flake: [builds]}
"""

# Runs in the real pytest of each part, beside the product's plugin.
SPY = """
import json, os, pathlib, sys
def pytest_configure(config):
    selection = config.option.markexpr
    part = "quick" if "not proof" in selection else "proofs" if "not canaries" in selection else "canaries"
    pathlib.Path(os.environ["SPY"], part + ".json").write_text(json.dumps([sys.orig_argv, dict(os.environ)]))
"""


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    """RUNNER_TEMP, with this environment in the place of the one that the step Install would make."""
    folder = tmp_path / "runner-temp"
    folder.mkdir()
    (folder / "builder-contracts-venv").symlink_to(Path(sys.prefix))
    return folder


@pytest.fixture
def job(tmp_path: Path, temp: Path) -> Job:
    """A job with a contract, in which every pytest leaves its arguments and its environment in ``spy/``."""
    here = tmp_path / "work"
    (here / "contracts" / "environments").mkdir(parents=True)
    (here / "contracts" / "tiny.yaml").write_text(CONTRACT)
    (here / "contracts" / "environments" / "own.yaml").write_text(
        "apiVersion: builder-contracts/v1\nkind: Environment\n"
        "metadata: {name: own, summary: A deployment that nobody reaches}\n"
        'roles: {nix: {url: "http://cache.invalid/main", writer: TINY_WRITER}}\n'
    )
    spy = tmp_path / "spy"
    spy.mkdir()
    (spy / "spy.py").write_text(SPY)
    environment = {"GITHUB_ACTIONS": "", "GITLAB_CI": "", "PYTHONPATH": str(spy), "PYTEST_PLUGINS": "spy"}
    return Job(here, temp, {**environment, "SPY": str(spy)})


def check(job: Job, **inputs: str) -> dict[str, Step]:
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    steps = job.action(ACTION, {"builder": "tiny", "environment": "own", **given})
    return {step.name: step for step in steps}


def seen(job: Job, part: str) -> tuple[list[str], dict[str, str]]:
    arguments, environment = json.loads((job.workspace.parent / "spy" / f"{part}.json").read_text())
    return arguments, environment


def run(command: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ACTION / "run", command, *arguments],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


# --- who gets them ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_credentials_are_hidden_before_anything_runs_and_reach_the_proofs_alone(job: Job) -> None:
    steps = check(job, allow_writes="nix  bazel-grpc", credentials=f"TINY_WRITER=tom:{SECRET}\n")

    assert next(iter(steps)) == "Mask credentials"
    assert f"::add-mask::{SECRET}" in steps["Mask credentials"].output
    arguments, environment = seen(job, "proofs")
    assert environment["TINY_WRITER"] == f"tom:{SECRET}"
    assert [arguments[at + 1] for at, one in enumerate(arguments) if one == "--allow-writes"] == [
        "nix",
        "bazel-grpc",
    ]
    for part in ("quick", "canaries"):
        arguments, environment = seen(job, part)
        assert "--allow-writes" not in arguments
        assert "TINY_WRITER" not in environment
    for part in ("quick", "proofs", "canaries"):
        arguments, environment = seen(job, part)
        assert not [one for one in arguments if SECRET in one], f"{part}: in the process list"
        assert "CREDENTIALS" not in environment
    assert steps["Quick clauses"].outcome == "success", steps["Quick clauses"].output
    for step in list(steps.values())[1:]:
        assert SECRET not in step.output, step.name
    reports = job.workspace / "contract-reports"
    for file in reports.rglob("*"):
        assert not file.is_file() or SECRET not in file.read_text("utf-8"), file


@pytest.mark.slow
def test_without_leave_to_write_nobody_gets_credentials_and_they_are_hidden_all_the_same(job: Job) -> None:
    steps = check(job, credentials=f"TINY_WRITER=tom:{SECRET}")

    assert f"::add-mask::{SECRET}" in steps["Mask credentials"].output
    for part in ("quick", "proofs", "canaries"):
        arguments, environment = seen(job, part)
        assert "--allow-writes" not in arguments
        assert {"TINY_WRITER", "CREDENTIALS"}.isdisjoint(environment)


def test_without_credentials_there_is_nothing_to_hide(job: Job) -> None:
    steps = check(job)

    assert steps["Mask credentials"].outcome == "skipped"


@pytest.mark.parametrize(
    ("inputs", "package"),
    [
        ({"RUNNER_KIND": "local", "ALLOW_WRITES": "nix"}, "[live]"),
        ({"RUNNER_KIND": "local", "ALLOW_WRITES": " "}, ""),
        ({"RUNNER_KIND": "docker", "ALLOW_WRITES": "nix"}, ""),
    ],
    ids=["writes", "no writes", "docker"],
)
def test_clients_of_a_deployment_are_asked_for_only_where_the_local_runner_may_write(
    tmp_path: Path, inputs: dict[str, str], package: str
) -> None:
    """The package index is not asked here: an interpreter stands in that says what it was called with."""
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\n[ "$2" = venv ] || {{ echo "$@"; exit; }}\nmkdir -p "$3/bin"; cp {python} "$3/bin/python"\n'
    )
    python.chmod(0o755)

    done = run("install", PYTHON=str(python), RUNNER_TEMP=str(tmp_path), **inputs)

    assert done.stdout.split()[:3] == ["-m", "pip", "install"]
    assert done.stdout.split()[-1].endswith(f"check-contracts/../../..{package}")


# --- what a line may be --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [SECRET, f"={SECRET}", f"1A={SECRET}", f"A B={SECRET}", f"export A={SECRET}", f"A-B={SECRET}", f"{SECRET}=",
     "czNjcjN0LW9mLXRoaXMtdGVzdA==", "A="],
)  # fmt: skip
def test_a_malformed_line_ends_the_action_before_anything_runs_and_is_not_told(job: Job, line: str) -> None:
    steps = check(job, allow_writes="nix", credentials=f"TINY_WRITER=tom:{SECRET}2\n\n{line}\n")

    mask = steps.pop("Mask credentials")
    assert mask.outcome == "failure"
    told = [text for text in mask.output.splitlines() if not text.startswith("::add-mask::")]
    assert told == ["::error::line 3 of the credentials is not NAME=VALUE (what it says is not shown)"]
    assert f"::add-mask::{line}" in mask.output
    assert {step.outcome for step in steps.values()} == {"skipped"}


def test_no_credential_takes_the_place_of_a_variable_of_the_runner(job: Job) -> None:
    steps = check(job, allow_writes="nix", credentials=f"PATH=/{SECRET}")

    mask = steps["Mask credentials"]
    assert mask.outcome == "failure"
    assert "::error::line 1 of the credentials gives PATH, which this runner has set" in mask.output
    assert f"::add-mask::/{SECRET}" in mask.output


@pytest.mark.parametrize("name", ["IFS", "UID", "REPORTS"])
def test_nor_of_a_variable_of_the_step_itself(tmp_path: Path, name: str) -> None:
    done = run(
        "check", "proofs", BUILDER="tiny", CONTRACTS="contracts", RUNNER_KIND="local", REPORTS=str(tmp_path),
        RUNNER_TEMP=str(tmp_path), ALLOW_WRITES="nix", CREDENTIALS=f"{name}={SECRET}",
    )  # fmt: skip

    assert done.returncode == 64, done.stdout
    assert f"line 1 of the credentials gives {name}, which this runner has set" in done.stdout
    assert SECRET not in done.stdout


VALUES = st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: text.strip("=")
)


@settings(max_examples=40, deadline=None)
@given(value=VALUES)
@pytest.mark.slow
def test_a_value_is_data_to_its_end(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    """Whatever it is made of arrives as it is in the proofs, and the mask is what GitHub reads back as it."""
    folder = tmp_path_factory.mktemp("value")
    program = folder / "builder-contracts-venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nprintf %s "$TINY_WRITER" >"$RUNNER_TEMP/given"\n')
    program.chmod(0o755)
    environment = {
        "RUNNER_TEMP": str(folder),
        "CREDENTIALS": f"TINY_WRITER={value}\r\n",
        "ALLOW_WRITES": "nix",
    }

    checked = run(
        "check", "proofs", BUILDER="b", CONTRACTS="c", RUNNER_KIND="local", REPORTS=str(folder), **environment
    )
    masked = run("mask", **environment)

    assert checked.returncode == 0, checked.stdout
    assert (folder / "given").read_bytes().decode() == value
    hidden = {line.removeprefix("::add-mask::").replace("%25", "%") for line in masked.stdout.split("\n")}
    assert {value, base64.b64encode(value.encode()).decode()} <= hidden
    assert {one.name for one in folder.iterdir()} == {"builder-contracts-venv", "given"}


@pytest.mark.parametrize(
    "value", ["$(touch made)", "`touch made`", "'; touch made; '", "*", "~", "a b  c", "$HOME"]
)
@pytest.mark.slow
def test_no_shell_interprets_a_value(job: Job, value: str) -> None:
    check(job, allow_writes="nix", credentials=f"TINY_WRITER={value}")

    assert seen(job, "proofs")[1]["TINY_WRITER"] == value
    assert not (job.workspace / "made").exists()


# --- roles -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_unknown_role_is_an_error_that_names_the_known_ones_and_nothing_is_proved(job: Job) -> None:
    steps = check(job, allow_writes="nix nixx")

    assert steps["Proofs"].outcome == "failure"
    assert "--allow-writes: invalid choice: 'nixx' (choose from" in steps["Proofs"].output
    assert steps["Quick clauses"].outcome == "success"
    assert not (job.workspace / "contract-reports" / "proofs.xml").exists()


@pytest.mark.slow
def test_a_role_is_no_pattern_for_files(job: Job) -> None:
    """An asterisk would allow what the folder happens to hold."""
    (job.workspace / "nix").touch()

    steps = check(job, allow_writes="*")

    assert steps["Proofs"].outcome == "failure"
    assert "invalid choice: '*'" in steps["Proofs"].output


def test_the_roles_that_can_be_allowed_are_those_of_the_schema_that_have_something_to_write() -> None:
    schema = json.loads((ROOT / "contracts" / "schema" / "environment.json").read_text())

    roles = schema["properties"]["roles"]["propertyNames"]["enum"]
    assert {*roles} - {*plugin.WRITABLE} == {"flakes"}
    assert {*plugin.WRITABLE} <= {*roles}


# --- the workflows -------------------------------------------------------------------------------------------


def steps_with(text: str) -> list[str]:
    action = yaml.safe_load((ACTION / "action.yml").read_text())
    return [step["name"] for step in action["runs"]["steps"] if text in json.dumps(step.get("env", {}))]


def test_no_step_but_the_mask_and_the_proofs_is_handed_credentials() -> None:
    assert steps_with("inputs.credentials") == ["Mask credentials", "Proofs"]


def test_a_scheduled_night_writes_where_the_repository_says_and_one_by_hand_where_its_starter_says() -> None:
    nightly = yaml.safe_load((ROOT / ".github" / "workflows" / "nightly.yml").read_text())
    check = nightly["jobs"]["check"]

    assert check["with"]["allow-writes"] == (
        "${{ github.event_name == 'schedule' && vars.CONTRACTS_ALLOW_WRITES || inputs.allow-writes }}"
    )
    assert nightly[True]["workflow_dispatch"]["inputs"]["allow-writes"]["default"] == ""
    assert check["secrets"] == {"credentials": "${{ secrets.CONTRACTS_CREDENTIALS }}"}
    assert "secrets" not in json.dumps(nightly["jobs"]["images"]), (
        "images write to the run's own services only"
    )
