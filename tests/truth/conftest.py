"""What the tests of static judging share: the project's own contracts, and a way to judge a tree of files."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from builder_contracts.contract.model import Contract
from builder_contracts.reporting.registry import ReportRequest, open_reports
from builder_contracts.reporting.truth_stream import report
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.session import load
from builder_contracts.truth.tracker import Tracker
from builder_contracts.truth.verdicts import TruthReport, judge
from builder_contracts.verdict import Outcome
from tests.truth.miniature import Tree, write

CONTRACTS = Path(__file__).parents[2] / "contracts"

Judge = Callable[..., TruthReport]


@pytest.fixture(scope="session")
def contracts() -> tuple[Platform, list[Contract]]:
    return load(CONTRACTS)


@pytest.fixture
def judged(tmp_path: Path, contracts: tuple[Platform, list[Contract]]) -> Judge:
    """Judge a tree of files, written to a folder of its own."""
    number = iter(range(1000))

    def judge_tree(tree: Tree, tracker: Tracker | None = None) -> TruthReport:
        root = write(tmp_path / f"repo{next(number)}", tree)
        return judge(root, *contracts, tracker=tracker)

    return judge_tree


def reported(judgement: TruthReport, form: str, folder: Path) -> str:
    """The report of a judged checkout in a format."""
    path = folder / f"report.{form}"
    request = ReportRequest(form, path, form)
    stream = io.StringIO()
    with open_reports([request], stdout=stream, stderr=stream, terminal=False, env={}) as reports:
        report(judgement, reports, command="truth", strict=False)
    return path.read_text("utf-8")


def printed(judgement: TruthReport) -> str:
    """What a terminal shows of a judged checkout."""
    stream = io.StringIO()
    with open_reports([], stdout=stream, stderr=stream, env={}, limits=False) as reports:
        report(judgement, reports, command="truth", strict=False)
    return stream.getvalue()


def broken(judgement: TruthReport) -> set[str]:
    """The clauses that are broken, without the word platform in front."""
    return {v.clause.removeprefix("platform/") for v in judgement.verdicts if v.outcome is Outcome.BROKEN}


def contradicted(judged: Judge, tree: dict[str, str], clause: str) -> list[str]:
    """The words of a tree that one clause contradicts."""
    return [finding.actual.says for finding in judged(tree).findings if finding.clause.endswith(clause)]
