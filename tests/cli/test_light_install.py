"""The core alone: its commands work, and the others say in one line what they lack."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder_contracts.extras import EXTRAS

ROOT = Path(__file__).parents[2]

# As if no extra were installed.
WITHOUT_EXTRAS = f"""
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(module for modules in EXTRAS.values() for module in modules)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""
CLI = f"{WITHOUT_EXTRAS}\nfrom builder_contracts.cli import main\nmain()\n"
PYTEST = f"{WITHOUT_EXTRAS}\nimport pytest\nsys.exit(pytest.main(sys.argv[1:]))\n"
# No engine: what asks for one says so, and has imported everything by then.
NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock", "PYTEST_ADDOPTS": ""}


def run(program: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=cwd, env={**os.environ, **NO_ENGINE}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["validate", "contracts"], 0),
        (["explain", "toolchain"], 0),
        (["explain", "tinyland-nix/toolchain/nix", "--contract", "contracts"], 0),
        (["select", "--needs", "nix"], 0),
        (["schema"], 0),
        (["check", "--builder", "tinyland-nix", "-k", "toolchain", "contracts"], 4),
        (["facts", "--contract", "contracts/tinyland-nix.yaml"], 4),
        (["diff", "/nowhere/a.json", "/nowhere/b.json"], 3),
        (["history", "--help"], 0),
        (["nightly", "placement", "--out", "/nowhere/p.json"], 4),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_core_command_needs_no_extra(arguments: list[str], status: int) -> None:
    completed = run(CLI, *arguments)
    assert (completed.returncode, "Traceback" in completed.stderr) == (status, False), completed.stderr
    assert "builder-contracts[" not in completed.stdout + completed.stderr


def test_plugin_collects_without_extras() -> None:
    arguments = [
        "-q",
        "--collect-only",
        "-p",
        "no:cacheprovider",
        "-m",
        "contract",
        "contracts/tinyland-nix.yaml",
    ]
    completed = run(PYTEST, *arguments)
    assert (completed.returncode, "toolchain/nix" in completed.stdout) == (0, True), completed.stdout


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["truth", "--contracts", "contracts", "--repo", "."], "truth"),
        (["workflows", "--contracts", "contracts", "."], "truth"),
        (["dashboard", "demo", "--out", "{out}"], "dashboard"),
        (["mcp"], "mcp"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)
def test_command_without_its_extra_says_so_in_one_line(
    arguments: list[str], extra: str, tmp_path: Path
) -> None:
    completed = run(CLI, *(argument.format(out=tmp_path / "site") for argument in arguments))
    (line,) = completed.stderr.splitlines()
    assert (completed.returncode, line.endswith(f"pip install 'builder-contracts[{extra}]'")) == (4, True), (
        line
    )


@pytest.mark.slow
def test_core_from_its_wheel_in_a_fresh_environment(tmp_path: Path) -> None:
    """As a user installs it: only what pyproject.toml names comes along."""
    python, venv = sys.executable, tmp_path / "venv"
    pip = [os.environ.get("PIP_PYTHON") or "python3", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    commands = [
        [*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)],
        [python, "-m", "venv", "--without-pip", str(venv)],
    ]
    for command in commands:
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    install = [*pip, "--python", str(venv / "bin/python"), "install", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    for arguments in (["--help"], ["validate", "contracts"], ["explain", "toolchain"]):
        completed = subprocess.run(
            [venv / "bin/builder-contracts", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (completed.returncode, completed.stderr) == (0, ""), completed.stderr
    absent = subprocess.run(
        [venv / "bin/builder-contracts", "truth", "--contracts", "contracts", "--repo", "."],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (absent.returncode, absent.stderr.count("\n")) == (4, 1)
    assert "builder-contracts[truth]" in absent.stderr


def test_pytest_face_without_its_extra_says_so_in_one_line() -> None:
    completed = run(
        PYTEST,
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "truth",
        "--repo",
        ".",
        "contracts/platform/planning.yaml",
    )
    lines = [line for line in completed.stdout.splitlines() if "builder-contracts[truth]" in line]
    assert (len(lines) >= 1, completed.returncode != 0, "Traceback" in completed.stdout) == (
        True,
        True,
        False,
    )
