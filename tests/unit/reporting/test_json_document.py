"""A run as one JSON document."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.reporting import json_document
from builder_contracts.reporting.stream import Skipped
from builder_contracts.reporting.verdict_data import from_data
from builder_contracts.verdict import Verdict
from tests.unit.reporting.samples import KEPT, SAMPLE, SUMMARY, VERDICTS, recorded


@given(st.lists(VERDICTS, max_size=3))
def test_document_holds_every_verdict(verdicts: list[Verdict]) -> None:
    data = json.loads(json_document.render(recorded(*verdicts)))
    assert [from_data(item) for item in data["verdicts"]] == verdicts


def test_document_says_what_the_run_was() -> None:
    summary = replace(SUMMARY, skipped=(Skipped("a.yaml", "not YAML"),), details={"files": 3})
    text = json_document.render(recorded(SAMPLE, KEPT, summary=summary))
    data = json.loads(text)
    del data["verdicts"]
    assert data == {
        "schema": "builder-contracts/report/v2",
        "command": "check",
        "run": "abc123",
        "root": "/repo",
        "started": "2026-03-12T02:00:11Z",
        "seconds": 2.5,
        "exit_code": 1,
        "interrupted": False,
        "counts": {"kept": 1, "broken": 1, "unproven": 0, "waived": 0},
        "unread": [{"path": "a.yaml", "reason": "not YAML"}],
        "files": 3,
    }


def test_each_verdict_stands_on_a_line() -> None:
    lines = json_document.render(recorded(SAMPLE, KEPT)).splitlines()
    assert sum('"clause"' in line for line in lines) == 2
