"""The hooks for pre-commit, run by the real one; it takes the package that is installed here instead of building it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from builder_contracts.extras import EXTRAS
from tests.plugin.conftest import OTHER

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / ".pre-commit-hooks.yaml"
HOOKS = {hook["id"]: hook for hook in yaml.safe_load(MANIFEST.read_text("utf-8"))}

WORKFLOW = "on: push\njobs:\n  build:\n    runs-on: {label}\n    steps:\n      - run: {command}\n"


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYTEST"))}
    variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables |= {"PRE_COMMIT_HOME": str(cwd.parent / "pre-commit"), "NO_COLOR": "1"}
    return subprocess.run(
        arguments, cwd=cwd, env=variables, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a contract and a workflow, and with the hooks."""
    folder = tmp_path / "checkout"
    for name, text in {
        "contracts/there.yaml": OTHER,
        ".github/workflows/ci.yaml": WORKFLOW.format(label="there", command="sh build"),
        "notes.txt": "nothing to judge\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    keys = ("id", "name", "entry", "files", "pass_filenames")
    hooks = [{key: hook[key] for key in keys} | {"language": "system"} for hook in HOOKS.values()]
    configuration = {"repos": [{"repo": "local", "hooks": hooks}]}
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(configuration))
    assert run("git", "init", "-q", cwd=folder).returncode == 0
    assert run("git", "add", "-A", cwd=folder).returncode == 0
    return folder


def outcomes(folder: Path, *options: str) -> list[str]:
    """Passed, Failed or Skipped, of each hook in its order."""
    done = run("pre-commit", "run", *options, cwd=folder)
    lines = [line for line in done.stdout.splitlines() if ".." in line]
    assert len(lines) == len(HOOKS), done.stdout + done.stderr
    return [line.rpartition(".")[2].removeprefix("(no files to check)") for line in lines]


def test_pre_commit_accepts_the_manifest() -> None:
    done = run("pre-commit", "validate-manifest", str(MANIFEST), cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_a_hook_installs_the_extra_of_its_command() -> None:
    assert HOOKS["builder-contracts-workflows"]["additional_dependencies"] == [".[truth]"]
    assert "truth" in EXTRAS


def test_the_hooks_pass_what_is_right(checkout: Path) -> None:
    assert outcomes(checkout, "--all-files") == ["Passed", "Passed"]


def test_the_hooks_fail_what_is_wrong(checkout: Path) -> None:
    (checkout / ".github/workflows/ci.yaml").write_text(
        WORKFLOW.format(label="there", command="docker build .")
    )
    assert outcomes(checkout, "--all-files") == ["Passed", "Failed"]
    (checkout / "contracts/there.yaml").write_text(OTHER.replace("toolchain", "toolchains"))
    assert outcomes(checkout, "--all-files") == ["Failed", "Failed"]


def test_the_hooks_skip_a_commit_of_other_files(checkout: Path) -> None:
    assert outcomes(checkout, "--files", "notes.txt") == ["Skipped", "Skipped"]
