"""What a survey says where there is nothing to look into."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load, load_all
from builder_contracts.facts.model import Unseen
from builder_contracts.run.observer import Observer, ObserverOptions
from builder_contracts.runner.docker import engine
from tests.plugin.conftest import OTHER, SAMPLE


def test_unreachable_engine_is_asked_once_for_all_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here.yaml").write_text(SAMPLE)
    (tmp_path / "there.yaml").write_text(OTHER)
    contracts = load_all([tmp_path / "here.yaml", tmp_path / "there.yaml"])
    asked: list[str] = []

    def connect() -> None:
        asked.append("the engine")
        raise engine.EngineNotFound("it hangs")

    monkeypatch.setattr(engine, "connect", connect)
    survey = Observer(ObserverOptions())
    for contract in contracts:
        survey.start(contract)
    starts = [survey.facts(contract).start for contract in contracts]
    survey.close()
    assert all(isinstance(start, Unseen) and "it hangs" in start.reason for start in starts)
    assert asked == ["the engine"]


def test_a_run_imports_what_its_kind_of_runner_needs() -> None:
    script = "import sys, builder_contracts.run.run; print(*{'docker', 'requests', 'yaml'}.intersection(sys.modules))"
    completed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    # PyYAML reads the contracts of every run.
    assert completed.stdout.split() == ["yaml"]


def test_forbidden_host_without_engine_is_unproven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    (tmp_path / "there.yaml").write_text(f"{OTHER}network: {{deny: [metadata]}}\n")
    survey = Observer(ObserverOptions())
    seen = survey.facts(load(tmp_path / "there.yaml")).network.forbidden["metadata"]
    survey.close()
    assert isinstance(seen, Unseen)
    assert "cannot reach a Docker Engine" in seen.reason
    assert seen.provable_here
