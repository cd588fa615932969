"""What a survey says where there is nothing to look into."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder_contracts.contract.load import load
from builder_contracts.facts.model import Unseen
from builder_contracts.observe.survey import Options, Survey
from tests.plugin.conftest import OTHER


def test_without_an_engine_a_forbidden_host_is_unproven_for_that_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    (tmp_path / "there.yaml").write_text(f"{OTHER}network: {{deny: [metadata]}}\n")
    survey = Survey(Options())
    seen = survey.facts(load(tmp_path / "there.yaml")).network.forbidden["metadata"]
    survey.close()
    assert isinstance(seen, Unseen)
    assert "no Docker Engine answers" in seen.unseen
    assert seen.here
