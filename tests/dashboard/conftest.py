"""Histories and sites for the tests of the dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from builder_contracts.dashboard.analysis.history_report import HistoryReport, analyze_history
from builder_contracts.dashboard.demo.report_files import simulate_nights
from builder_contracts.dashboard.demo.story import build_story
from builder_contracts.dashboard.history import series
from builder_contracts.dashboard.history.import_files import ImportDefaults, add_files
from builder_contracts.dashboard.history.store import History
from builder_contracts.dashboard.site import build

LAST = date(2026, 3, 12)
"""The last of the simulated nights."""

NOW = round(datetime(2026, 3, 12, 8, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of the demonstration's sixty nights. Not to be written to."""
    folder = tmp_path_factory.mktemp("simulated")
    files = []
    for name, text in simulate_nights(build_story(), last=LAST):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        files.append(path)
    history = folder / "history.db"
    with History(history) as store:
        added = add_files(store, files, ImportDefaults())
    assert not added.problems
    assert added.new == len(files)
    return history


@pytest.fixture(scope="session")
def analyzed(simulated: Path) -> Iterator[tuple[HistoryReport, series.HistorySnapshot]]:
    """What the simulated history means on the morning after its last night."""
    with History(simulated, write=False) as store:
        book = series.load_snapshot(store)
        yield analyze_history(book, NOW), book


@pytest.fixture(scope="session")
def demo(
    analyzed: tuple[HistoryReport, series.HistorySnapshot], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The demonstration's site, as of the morning after its last night."""
    out = tmp_path_factory.mktemp("demo") / "site"
    build.write_site(*analyzed, out, base="https://example.org/contracts/", frozen=True)
    return out
