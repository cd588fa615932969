"""The project's own CI: .ci/run, and the workflow that calls it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with .ci/run and, in the place of the scripts, ones that write down how they are called."""
    (tmp_path / ".ci").mkdir()
    shutil.copy2(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / "script").mkdir()
    for name in ("contract", "test", "kubernetes", "servers"):
        script = tmp_path / "script" / name
        script.write_text(
            f'#!/bin/sh\necho "{name} CI=$CI $*" >>calls\nexit "$(cat {name}.status)"\n', "utf-8"
        )
        script.chmod(0o755)
        (tmp_path / f"{name}.status").write_text("0", "utf-8")
    return tmp_path


def run(checkout: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / ".ci" / "run", *arguments],
        cwd=cwd or checkout,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def calls(checkout: Path) -> list[str]:
    return (checkout / "calls").read_text("utf-8").splitlines()


def parts(checkout: Path) -> list[str]:
    """What followed the two commands."""
    return [call for call in calls(checkout)[2:] if not call.startswith("servers")]


def test_ci_calls_the_two_scripts_with_reports(checkout: Path, tmp_path: Path) -> None:
    reports = tmp_path / "some where"
    done = run(checkout, str(reports), cwd=Path("/"))
    assert done.returncode == 0, done.stderr
    assert calls(checkout)[:2] == [
        f"contract CI=true --junitxml {reports}/contract.xml --evidence {reports}/evidence",
        f"test CI=true --junitxml {reports}/tests.xml",
    ]
    assert reports.is_dir()


@pytest.mark.parametrize(
    ("contract", "test", "says"),
    [
        (1, 0, "FAILED: script/contract"),
        (0, 1, "FAILED: script/test"),
        (2, 130, "FAILED: script/contract script/test"),
    ],
)
def test_any_failure_makes_it_red_and_both_run_all_the_same(
    checkout: Path, contract: int, test: int, says: str
) -> None:
    (checkout / "contract.status").write_text(str(contract), "utf-8")
    (checkout / "test.status").write_text(str(test), "utf-8")
    done = run(checkout, "reports")
    assert done.returncode == 1
    assert says in done.stdout
    assert [call.split()[0] for call in calls(checkout)[:2]] == ["contract", "test"]


PARTS = [
    "kubernetes CI=true up",
    "test CI=true --tests-only --kubernetes -m not slow tests/kubernetes",
    "test CI=true --tests-only --kubernetes -m slow tests/kubernetes",
    "kubernetes CI=true down",
    "test CI=true --tests-only -m long tests/workflows",
]
LONG = "test CI=true --tests-only --long -m long"


def test_parts_run_while_there_is_time_and_the_rest_is_named(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDER_CONTRACTS_CI_MINUTES", "20")
    done = run(checkout, "reports")

    assert done.returncode == 0
    assert sorted(parts(checkout)) == sorted(PARTS)
    assert "ci:   long: it takes 1800 s" in done.stdout.partition("left out")[2]
    assert "'script/test' '--tests-only' '--long' '-m' 'long'" in done.stdout


@pytest.mark.parametrize(
    ("minutes", "started"), [("1", [PARTS[0], PARTS[3]]), ("5", PARTS), ("120", [*PARTS, LONG])]
)
def test_no_part_starts_that_could_end_too_late(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, minutes: str, started: list[str]
) -> None:
    monkeypatch.setenv("BUILDER_CONTRACTS_CI_MINUTES", minutes)
    done = run(checkout, "reports")

    assert sorted(parts(checkout)) == sorted(started)
    assert ("left out" in done.stdout) is (minutes != "120")


def test_minutes_that_are_no_number_are_refused(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDER_CONTRACTS_CI_MINUTES", "1h")
    done = run(checkout, "reports")
    assert done.returncode == 1
    assert "BUILDER_CONTRACTS_CI_MINUTES is 1h, and not a number of minutes" in done.stderr
    assert not (checkout / "calls").exists()


def test_programs_that_are_still_to_be_built_need_their_time(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDER_CONTRACTS_CI_MINUTES", "13")
    (checkout / "servers.status").write_text("1", "utf-8")
    assert "kubernetes-node: it takes 800 s" in run(checkout, "reports").stdout


@pytest.mark.parametrize(
    ("status", "code", "says"), [(4, 0, "it cannot run here"), (1, 1, "FAILED: kubernetes-node")]
)
def test_node_that_cannot_be_had_is_left_out_and_named(
    checkout: Path, status: int, code: int, says: str
) -> None:
    (checkout / "kubernetes.status").write_text(str(status), "utf-8")
    done = run(checkout, "reports")

    assert done.returncode == code
    assert says in done.stdout
    assert "the tests on that node: script/test --kubernetes" in done.stdout


def test_without_a_folder_the_reports_go_to_a_new_one(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(checkout))
    assert f"reports are in {checkout}/builder-contracts-ci." in run(checkout).stdout


def test_its_help_says_what_it_does() -> None:
    done = run(ROOT, "--help")
    assert done.returncode == 0
    assert "usage: .ci/run [FOLDER]" in done.stdout


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    return loaded


def test_workflow_runs_ci_run_and_the_long_tests(workflow: dict[Any, Any]) -> None:
    commands = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert commands == [
        ".ci/run reports",
        "script/test --yes --tests-only --long -m long",
        "script/test --yes --tests-only --kubernetes -m kubernetes",
    ]


def test_workflow_is_read_only_and_jobs_have_timeouts(workflow: dict[Any, Any]) -> None:
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert job["timeout-minutes"] <= 60


def test_workflow_pins_actions_by_commit_with_release() -> None:
    uses = re.findall(r"uses: (\S+)(.*)", WORKFLOW.read_text("utf-8"))
    assert uses
    for action, comment in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


def test_all_workflows_and_actions_pin_one_commit_of_an_action() -> None:
    pins: dict[str, set[str]] = {}
    for file in (ROOT / ".github").rglob("*.yml"):
        for action, commit in re.findall(
            r"uses: ([\w-]+/[\w-]+)@([0-9a-f]{40}\b.*)", file.read_text("utf-8")
        ):
            pins.setdefault(action, set()).add(commit)
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


@pytest.mark.parametrize(("ci", "code"), [("true", pytest.ExitCode.TESTS_FAILED), ("", pytest.ExitCode.OK)])
def test_skipped_test_fails_only_under_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, code: pytest.ExitCode
) -> None:
    monkeypatch.setenv("CI", ci)
    pytester.makeconftest((ROOT / "tests" / "conftest.py").read_text("utf-8"))
    pytester.makepyfile("import pytest\n\ndef test_needs():\n    pytest.skip('no browser here')\n")
    done = pytester.runpytest_subprocess("-p", "no:builder_contracts")
    assert done.ret == code
    done.stdout.fnmatch_lines(
        ["*not tested, and CI has to test it*no browser here*" if ci else "*1 skipped*"]
    )
