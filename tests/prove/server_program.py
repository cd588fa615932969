"""The programs that script/servers builds."""

from __future__ import annotations

import subprocess

import pytest

from tests.prove.conftest import ROOT


def server_program(name: str) -> str:
    """The path of a program. Skips the test if it was not built."""
    built = subprocess.run(
        [ROOT / "script/servers", "--path", name], capture_output=True, text=True, check=False
    )
    if built.returncode != 0:
        pytest.skip(f"needs {name}: script/servers {name} builds it")
    return built.stdout.strip()
