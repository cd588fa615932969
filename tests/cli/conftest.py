"""Contracts about this machine for the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugin.conftest import OTHER, SAMPLE, few_programs


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The contracts of the plugin's tests, on a machine with a shell and two programs more, and no engine to find."""
    for name, text in (("here", SAMPLE), ("there", OTHER)):
        (tmp_path / "contracts").mkdir(exist_ok=True)
        (tmp_path / "contracts" / f"{name}.yaml").write_text(text)
    monkeypatch.setenv("PATH", str(few_programs(tmp_path)))
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path
