"""A second run appends to evidence; the history tells the runs apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from builder_contracts.dashboard.history.import_files import ImportDefaults, ImportSummary, add_files
from builder_contracts.dashboard.history.store import History
from builder_contracts.reporting.jsonl import to_line
from builder_contracts.verdict import Verdict
from tests.unit.reporting.samples import KEPT, SAMPLE


def started(verdict: Verdict, time: str) -> bytes:
    return to_line(replace(verdict, origin=replace(verdict.origin, started=time)))


def test_appended_evidence_adds_the_second_run_once(tmp_path: Path) -> None:
    evidence, history = tmp_path / "evidence.jsonl", tmp_path / "history.db"

    def add() -> ImportSummary:
        with History(history, write=True) as store:
            return add_files(store, [evidence], ImportDefaults())

    evidence.write_bytes(started(SAMPLE, "2026-03-12T02:00:11Z"))
    assert add().new == 1
    with evidence.open("ab") as stream:
        stream.write(started(KEPT, "2026-03-13T02:00:11Z"))
    assert (add().new, add().already_present) == (1, 1)
    with History(history, write=False) as store:
        size = store.size()
    assert (size.runs, size.clauses, size.results) == (2, 1, 2)
