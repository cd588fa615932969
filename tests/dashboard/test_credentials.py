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
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builder_contracts.run.options import WRITABLE
from tests.dashboard.spy import PARTS, Spy
from tests.dashboard.steps import Job, Step, evaluate

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github" / "actions" / "check-contracts"
SECRET = "s3cr3t-of-this-test"

CHECK = {
    "BUILDER": "b",
    "CONTRACTS": "c",
    "RUNNER_KIND": "local",
    "REPORTS": "reports",
    "ALLOW_WRITES": "nix",
}
"""The environment of a check, as the action gives it."""

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


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    """RUNNER_TEMP, with this environment in the place of the one that the step Install would make."""
    folder = tmp_path / "runner-temp"
    folder.mkdir()
    (folder / "builder-contracts-venv").symlink_to(Path(sys.prefix))
    return folder


@pytest.fixture
def spy(tmp_path: Path) -> Spy:
    return Spy(tmp_path / "spy")


@pytest.fixture
def job(tmp_path: Path, temp: Path, spy: Spy) -> Job:
    """A job with a contract."""
    work = tmp_path / "work"
    (work / "contracts" / "environments").mkdir(parents=True)
    (work / "contracts" / "tiny.yaml").write_text(CONTRACT)
    (work / "contracts" / "environments" / "own.yaml").write_text(
        "apiVersion: builder-contracts/v1\nkind: Environment\n"
        "metadata: {name: own, summary: A deployment that nobody reaches}\n"
        'roles: {nix: {url: "http://cache.invalid/main", writer: TINY_WRITER}}\n'
    )
    return Job(work, temp, {"GITHUB_ACTIONS": "", "GITLAB_CI": "", **spy.environment})


def check(job: Job, **inputs: str) -> dict[str, Step]:
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    steps = job.action(
        ACTION, {"builder": "tiny", "environment": "own", "reports": "contract-reports", **given}
    )
    return {step.name: step for step in steps}


def run(temp: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a step's program alone, in RUNNER_TEMP."""
    return subprocess.run(
        [ACTION / "run", *arguments],
        cwd=temp,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "RUNNER_TEMP": str(temp), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


# --- who gets them ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_credentials_are_masked_first_and_reach_proofs_alone(job: Job, spy: Spy) -> None:
    steps = check(job, allow_writes="nix  bazel-grpc", credentials=f"TINY_WRITER=tom:{SECRET}\n")

    assert next(iter(steps)) == "Mask credentials"
    assert f"::add-mask::{SECRET}" in steps["Mask credentials"].output
    proofs = spy.start("proofs")
    assert proofs.environment["TINY_WRITER"] == f"tom:{SECRET}"
    assert proofs.roles == ["nix", "bazel-grpc"]
    for part in ("quick", "canaries"):
        assert spy.start(part).roles == []
        assert "TINY_WRITER" not in spy.start(part).environment
    for part in PARTS:
        start = spy.start(part)
        assert not [argument for argument in start.arguments if SECRET in argument], (
            f"{part}: in the process list"
        )
        assert "CREDENTIALS" not in start.environment
    assert steps["Quick clauses"].outcome == "success", steps["Quick clauses"].output
    for step in list(steps.values())[1:]:
        assert SECRET not in step.output, step.name
    reports = job.workspace / "contract-reports"
    for file in reports.rglob("*"):
        assert not file.is_file() or SECRET not in file.read_text("utf-8"), file


@pytest.mark.slow
def test_without_allowed_role_credentials_reach_nobody(job: Job, spy: Spy) -> None:
    steps = check(job, credentials=f"TINY_WRITER=tom:{SECRET}")

    assert f"::add-mask::{SECRET}" in steps["Mask credentials"].output
    for part in PARTS:
        start = spy.start(part)
        assert start.roles == []
        assert {"TINY_WRITER", "CREDENTIALS"}.isdisjoint(start.environment)


def test_without_credentials_there_is_nothing_to_hide() -> None:
    mask = yaml.safe_load((ACTION / "action.yml").read_text())["runs"]["steps"][0]

    assert mask["name"] == "Mask credentials"
    assert not evaluate(mask["if"], {"inputs.credentials": ""})
    assert evaluate(mask["if"], {"inputs.credentials": "A=b"})


@pytest.mark.parametrize(
    ("inputs", "package"),
    [
        ({"RUNNER_KIND": "local", "ALLOW_WRITES": "nix"}, "[live]"),
        ({"RUNNER_KIND": "local", "ALLOW_WRITES": " "}, ""),
        ({"RUNNER_KIND": "docker", "ALLOW_WRITES": "nix"}, ""),
    ],
    ids=["writes", "no writes", "docker"],
)
def test_live_extra_is_installed_only_where_writing_is_allowed(
    tmp_path: Path, inputs: dict[str, str], package: str
) -> None:
    """The package index is not asked here: an interpreter stands in that says what it was called with."""
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\n[ "$2" = venv ] || {{ echo "$@"; exit; }}\nmkdir -p "$3/bin"; cp {python} "$3/bin/python"\n'
    )
    python.chmod(0o755)

    done = run(tmp_path, "install", PYTHON=str(python), **inputs)

    assert done.stdout.split()[:3] == ["-m", "pip", "install"]
    assert done.stdout.split()[-1].endswith(f"check-contracts/../../..{package}")


# --- what a line may be --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [SECRET, f"={SECRET}", f"1A={SECRET}", f"A B={SECRET}", f"export A={SECRET}", f"A-B={SECRET}", f"{SECRET}=",
     "czNjcjN0LW9mLXRoaXMtdGVzdA==", "A="],
)  # fmt: skip
def test_malformed_credential_line_stops_action_unseen(job: Job, line: str) -> None:
    steps = check(job, allow_writes="nix", credentials=f"TINY_WRITER=tom:{SECRET}2\n\n{line}\n")

    mask = steps.pop("Mask credentials")
    assert mask.outcome == "failure"
    lines = [text for text in mask.output.splitlines() if not text.startswith("::add-mask::")]
    assert lines == ["::error::line 3 of the credentials is not NAME=VALUE (its text is not shown)"]
    assert f"::add-mask::{line}" in mask.output
    assert {step.outcome for step in steps.values()} == {"skipped"}


def test_credential_never_replaces_a_runner_variable(job: Job) -> None:
    steps = check(job, allow_writes="nix", credentials=f"PATH=/{SECRET}")

    mask = steps["Mask credentials"]
    assert mask.outcome == "failure"
    assert "::error::line 1 of the credentials gives PATH, which this runner has set" in mask.output
    assert f"::add-mask::/{SECRET}" in mask.output


@pytest.mark.parametrize("name", ["IFS", "UID", "REPORTS"])
def test_nor_of_a_variable_of_the_step_itself(tmp_path: Path, name: str) -> None:
    done = run(tmp_path, "check", "proofs", **CHECK, CREDENTIALS=f"{name}={SECRET}")

    assert done.returncode == 64, done.stdout
    assert f"line 1 of the credentials gives {name}, which this runner has set" in done.stdout
    assert SECRET not in done.stdout


def read_back(line: str) -> str:
    """What GitHub's runner takes the text of a command for."""
    text = line.removeprefix("::add-mask::")
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


VALUES = st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: text.strip("=")
)


@settings(max_examples=20, deadline=None)
@given(value=VALUES)
@example("$(touch made)")
@example("`touch made`")
@example("'; touch made; '")
@example("* ~ $HOME  a=b ")
@example("100%0A::add-mask::")
@pytest.mark.slow
def test_a_value_is_data_to_its_end(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    """Whatever it is made of arrives as it is in the proofs, no shell runs it, and GitHub reads the mask back as it."""
    folder = tmp_path_factory.mktemp("value")
    program = folder / "builder-contracts-venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nprintf %s "$TINY_WRITER" >"$RUNNER_TEMP/given"\n')
    program.chmod(0o755)
    checked = run(folder, "check", "proofs", **CHECK, CREDENTIALS=f"TINY_WRITER={value}\r\n")
    masked = run(folder, "mask", CREDENTIALS=f"TINY_WRITER={value}\r\n")

    assert checked.returncode == 0, checked.stdout
    assert (folder / "given").read_bytes().decode() == value
    hidden = {read_back(line) for line in masked.stdout.split("\n")}
    assert {value, base64.b64encode(value.encode()).decode()} <= hidden
    left = {path.name for path in folder.iterdir()}
    assert left == {"builder-contracts-codes", "builder-contracts-venv", "given", "reports"}


# --- roles -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_unknown_role_is_an_error_that_lists_known_roles(job: Job) -> None:
    steps = check(job, allow_writes="nix nixx")

    assert steps["Proofs"].outcome == "failure"
    assert "--allow-writes nixx: 'nixx' is not one of nix," in steps["Proofs"].output
    assert steps["Quick clauses"].outcome == "success"
    assert not (job.workspace / "contract-reports" / "proofs.xml").exists()


@pytest.mark.slow
def test_a_role_is_no_pattern_for_files(job: Job) -> None:
    """An asterisk would allow what the folder happens to hold."""
    (job.workspace / "nix").touch()

    steps = check(job, allow_writes="*")

    assert steps["Proofs"].outcome == "failure"
    assert "'*' is not one of nix," in steps["Proofs"].output


def test_allowable_roles_are_the_writable_ones_of_the_schema() -> None:
    schema = json.loads((ROOT / "contracts" / "schema" / "environment.json").read_text())

    roles = schema["properties"]["roles"]["propertyNames"]["enum"]
    assert {*roles} - {*WRITABLE} == {"flakes"}
    assert {*WRITABLE} <= {*roles}


# --- the workflows -------------------------------------------------------------------------------------------


def steps_with(text: str) -> list[str]:
    action = yaml.safe_load((ACTION / "action.yml").read_text())
    return [step["name"] for step in action["runs"]["steps"] if text in json.dumps(step.get("env", {}))]


def test_only_mask_and_proof_steps_get_credentials() -> None:
    assert steps_with("inputs.credentials") == ["Mask credentials", "Proofs"]


def test_allow_writes_from_repository_or_dispatch_input() -> None:
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
