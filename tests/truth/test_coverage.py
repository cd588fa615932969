"""What was not judged is listed, what there is nothing of is not applicable, and neither is success."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder_contracts.contract.model import Contract
from builder_contracts.errors import ExitCode
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.session import exit_code
from builder_contracts.truth.verdicts import CONSUMER, TruthReport, judge
from builder_contracts.verdict import Outcome
from tests.truth.conftest import printed
from tests.truth.miniature import Tree, write

WORKFLOW = ".github/workflows/ci.yml"
Loaded = tuple[Platform, list[Contract]]


def consumer(tmp_path: Path, contracts: Loaded, tree: Tree) -> TruthReport:
    return judge(write(tmp_path / "app", tree), *contracts, only=CONSUMER)


def job(body: str) -> str:
    return f"on: push\njobs:\n  one:\n{body}"


def test_empty_checkout_decides_nothing(tmp_path: Path, contracts: Loaded) -> None:
    (tmp_path / "app").mkdir()
    report = judge(tmp_path / "app", *contracts, only=CONSUMER)
    assert len(report.not_applicable) == len(report.verdicts)
    assert exit_code(report, strict=False) is ExitCode.NOTHING_SELECTED


def test_unreadable_workflow_is_never_success(tmp_path: Path, contracts: Loaded) -> None:
    report = consumer(tmp_path, contracts, {WORKFLOW: "on: push\njobs: [\n"})
    assert exit_code(report, strict=False) is ExitCode.UNPROVEN
    assert {(entry.at.file, entry.at.line) for entry in report.unjudged} == {(WORKFLOW, 3)}


@pytest.mark.parametrize(
    "body",
    [
        "    runs-on: ${{ vars.RUNNER }}\n    steps: [{run: make}]\n",
        "    uses: tinyland-inc/ci-templates/.github/workflows/package.yml@v1\n",
    ],
)
def test_job_known_only_at_run_time_is_listed(tmp_path: Path, contracts: Loaded, body: str) -> None:
    report = consumer(tmp_path, contracts, {WORKFLOW: job(body)})
    listed = {entry.clause for entry in report.unjudged}
    assert {"platform/workflows/labels", "platform/workflows/needs"} <= listed
    assert "not judged: .github/workflows/ci.yml:" in printed(report)
    assert exit_code(report, strict=True) is ExitCode.UNPROVEN


def test_one_unresolved_job_makes_the_clause_unproven(tmp_path: Path, contracts: Loaded) -> None:
    two = job("    runs-on: tinyland-nix\n    steps: [{run: nix build}]\n")
    two += "  two:\n    runs-on: ${{ vars.RUNNER }}\n    steps: [{run: nix build}]\n"
    report = consumer(tmp_path, contracts, {WORKFLOW: two})
    verdict = next(verdict for verdict in report.verdicts if verdict.clause == "platform/workflows/needs")
    assert verdict.outcome is Outcome.UNPROVEN
    assert (verdict.checked, verdict.total) == (1, 2)
    assert "1 of 2 judged" in verdict.observation


def test_strict_does_not_fail_on_what_is_not_applicable(tmp_path: Path, contracts: Loaded) -> None:
    report = consumer(tmp_path, contracts, {"README.md": "# App\n"})
    assert report.not_applicable
    assert exit_code(report, strict=True) is ExitCode.NOTHING_SELECTED


@pytest.mark.parametrize(
    ("passed", "outcome"), [("tinyland-nix", Outcome.KEPT), ("tinyland-docker", Outcome.BROKEN)]
)
def test_called_workflow_runs_with_the_inputs_passed(
    tmp_path: Path, contracts: Loaded, passed: str, outcome: Outcome
) -> None:
    called = (
        "on:\n  workflow_call:\n    inputs: {runner: {type: string}}\njobs:\n  build:\n"
        "    runs-on: ${{ inputs.runner }}\n    steps: [{run: nix build}]\n"
    )
    caller = job(f"    uses: ./.github/workflows/build.yml\n    with: {{runner: {passed}}}\n")
    report = consumer(tmp_path, contracts, {WORKFLOW: caller, ".github/workflows/build.yml": called})
    verdict = next(verdict for verdict in report.verdicts if verdict.clause == "platform/workflows/needs")
    assert verdict.outcome is outcome
