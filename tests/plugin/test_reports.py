"""What a session tells: failures for people, JUnit and evidence for programs, and an exit status."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from builder_contracts.contract import schemas
from builder_contracts.errors import ExitCode
from tests.plugin.conftest import NO_ENGINE, SAMPLE

LOCAL = ("--runner", "local")
OWN = (
    "apiVersion: builder-contracts/v1\nkind: Environment\nmetadata: {name: own, summary: A place of my own}\n"
)


def test_each_outcome_is_reported_as_what_it_is(pytester: pytest.Pytester, contracts: Path) -> None:
    result = pytester.runpytest(*LOCAL, "contracts")
    assert result.parseoutcomes() == {"passed": 5, "failed": 1, "unproven": 1, "skipped": 3}
    assert result.ret == ExitCode.BROKEN


def test_broken_clause_is_shown_without_traceback(pytester: pytest.Pytester, contracts: Path) -> None:
    result = pytester.runpytest(*LOCAL, "contracts/here.yaml", "-k", "no-such-tool")
    result.stdout.fnmatch_lines(
        [
            "contracts/here.yaml:9  toolchain/no-such-tool  BROKEN",
            "  promised        no-such-tool *",
            "  observed        not found on *bin",
            "  likely cause    the image lacks package no-such-tool, or its directory is not on PATH",
            "  why it matters  nothing works without it",
            "  try             builder-contracts facts --contract *here.yaml --runner local | jq '.tools[[]\"no-such-tool\"[]]'",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert "plugin.py" not in result.stdout.str()


def test_unproven_is_never_green(pytester: pytest.Pytester, contracts: Path) -> None:
    result = pytester.runpytest(*LOCAL, "contracts", "-k", "localhost")
    assert result.ret == ExitCode.UNPROVEN
    assert result.parseoutcomes() == {"unproven": 1, "deselected": 9}
    result.stdout.fnmatch_lines(
        ["*network/resolve/localhost  UNPROVEN", "  reason          the image lacks getent*"]
    )


def test_unprovable_clause_skips_and_strict_fails(pytester: pytest.Pytester, contracts: Path) -> None:
    lenient = pytester.runpytest(*LOCAL, "contracts/there.yaml", "-rs")
    assert lenient.ret == pytest.ExitCode.OK
    lenient.assert_outcomes(passed=2, skipped=1)
    lenient.stdout.fnmatch_lines(["*SKIPPED*unproven: the local runner does not start images*"])
    lenient.stdout.fnmatch_lines(["*1 unproven*"])
    strict = pytester.runpytest(*LOCAL, "contracts/there.yaml", "--strict-contracts")
    assert strict.ret == ExitCode.UNPROVEN
    assert strict.parseoutcomes() == {"passed": 2, "unproven": 1}


def test_the_summary_counts_each_class(pytester: pytest.Pytester, contracts: Path) -> None:
    result = pytester.runpytest(*LOCAL, "contracts")
    result.stdout.fnmatch_lines(
        [
            "*builder contracts*",
            "here * 3 kept (3 declared) * 1 broken * 2 unproven * 1 waived*",
            "*unproven  image/reference: the local runner does not start images*",
            "*waived    toolchain/forgotten: not found on*",
            "*unproven  network/resolve/localhost: the image lacks getent*",
            "there * 2 kept (2 declared) * 0 broken * 1 unproven*",
        ]
    )


def test_a_waived_promise_is_skipped_with_its_reason(pytester: pytest.Pytester, contracts: Path) -> None:
    result = pytester.runpytest(*LOCAL, "contracts", "-k", "forgotten", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*waived until 2999-12-31: it comes with the next release*"])


def test_an_expired_waiver_is_broken(pytester: pytest.Pytester, contracts: Path) -> None:
    (contracts / "here.yaml").write_text(SAMPLE.replace("2999-12-31", "2020-02-29"))
    result = pytester.runpytest(*LOCAL, "contracts", "-k", "forgotten")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*waiver expired on 2020-02-29*"])


def cases(path: Path) -> dict[str, ElementTree.Element]:
    root = ElementTree.parse(path).getroot()  # noqa: S314 # what pytest has just written
    return {f"{case.get('classname')}/{case.get('name')}": case for case in root.iter("testcase")}


def properties(case: ElementTree.Element) -> dict[str, str]:
    return {str(item.get("name")): str(item.get("value")) for item in case.iter("property")}


def test_junit_carries_every_verdict(pytester: pytest.Pytester, contracts: Path) -> None:
    pytester.runpytest(*LOCAL, "contracts/here.yaml", "--junitxml", "junit.xml")
    by_clause = {properties(case)["clause"]: case for case in cases(pytester.path / "junit.xml").values()}
    assert len(by_clause) == 7
    for clause, verdict, element in (
        ("here/toolchain/sh", "kept", None),
        ("here/toolchain/no-such-tool", "broken", "failure"),
        ("here/network/resolve/localhost", "unproven", "error"),
        ("here/image/reference", "unproven", "skipped"),
        ("here/toolchain/forgotten", "waived", "skipped"),
    ):
        case = by_clause[clause]
        written = properties(case)
        assert written["outcome"] == verdict
        assert written["builder"] == "here"
        assert written["section"] == clause.split("/")[1]
        assert [child.tag for child in case if child.tag != "properties"] == ([element] if element else [])
    broken = by_clause["here/toolchain/no-such-tool"].find("failure")
    assert broken is not None
    assert "promised        no-such-tool" in (broken.text or "")
    assert "Traceback" not in (broken.text or "")


def test_evidence_has_a_valid_line_per_verdict(pytester: pytest.Pytester, contracts: Path) -> None:
    pytester.runpytest(*LOCAL, "contracts", "--evidence", "proof/of")
    lines = (pytester.path / "proof" / "of" / "evidence.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    validator = Draft202012Validator(schemas.load("verdict"))
    for record in records:
        validator.validate(record)
        assert record["runner"] == "local"
    verdicts = sorted(record["outcome"] for record in records)
    assert verdicts == ["broken", *["kept"] * 5, *["unproven"] * 3, "waived"]


@pytest.mark.parametrize(
    "option",
    [
        ("--evidence", "taken"),
        ("--evidence", "taken/below"),
        ("--junitxml", "taken/x.xml"),
        ("--junitxml", "taken/below/x.xml"),
    ],
    ids="=".join,
)
def test_unwritable_report_is_bad_input_before_anything_runs(
    pytester: pytest.Pytester, contracts: Path, option: tuple[str, str]
) -> None:
    (pytester.path / "taken").write_text("")
    result = pytester.runpytest(*LOCAL, "contracts/there.yaml", *option)
    text = result.stdout.str() + result.stderr.str()
    assert result.ret == ExitCode.BAD_INPUT
    assert "cannot write" in text
    assert "passed" not in text
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text


def test_a_secret_of_the_machine_is_in_no_report(
    pytester: pytest.Pytester, contracts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2")
    (contracts / "here.yaml").write_text(
        SAMPLE + "environment:\n  variables: {MY_TOKEN: absent}\n  forbidden_values: {hunter: hunter2}\n"
    )
    result = pytester.runpytest(*LOCAL, "contracts", "--junitxml", "junit.xml", "--evidence", "proof")
    # The pattern is the contract's own words; the value is what must not be shown.
    for text in (result.stdout.str(), *(path.read_text() for path in (pytester.path / "proof").iterdir())):
        assert "MY_TOKEN='hunter2'" not in text
        assert "MY_TOKEN=hunter2" not in text
    assert "MY_TOKEN is set (value hidden)" in result.stdout.str()
    assert "MY_TOKEN=" not in (pytester.path / "junit.xml").read_text()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nowhere", "--environment nowhere: no such file, and no such name in environments/"),
        ("onw", "did you mean own?"),
        ("contracts", "--environment contracts: no such file, and no such name in environments/"),
        ("cut.yaml", "cut.yaml:"),
    ],
)
def test_bad_environment_is_reported_once_and_nothing_runs(
    pytester: pytest.Pytester, contracts: Path, name: str, expected: str
) -> None:
    (contracts / "environments").mkdir()
    (contracts / "environments" / "own.yaml").write_text(OWN)
    (pytester.path / "cut.yaml").write_text("apiVersion: [1\n")
    result = pytester.runpytest(*LOCAL, "contracts", "--environment", name)
    text = result.stdout.str() + result.stderr.str()
    assert text.count(expected) == 1
    assert "passed" not in text
    assert "Traceback" not in text
    assert result.ret == ExitCode.BAD_INPUT


def test_environment_is_read_where_no_clause_is_selected(pytester: pytest.Pytester, contracts: Path) -> None:
    (contracts / "environments").mkdir()
    (contracts / "environments" / "own.yaml").write_text(OWN)
    result = pytester.runpytest(*LOCAL, "contracts", "-m", "proof", "--environment", "own")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize("option", ["--linux-xr-source", "--linux-xr-config"])
def test_missing_kernel_is_bad_input_before_anything_runs(
    pytester: pytest.Pytester, contracts: Path, option: str
) -> None:
    result = pytester.runpytest(*LOCAL, "contracts", option, "nowhere")
    assert result.ret == ExitCode.BAD_INPUT
    assert (result.stdout.str() + result.stderr.str()).count("no such file or directory") == 1


@pytest.mark.parametrize("seconds", ["-1", "0", "nan", "inf", "soon"])
def test_deadline_must_be_a_positive_number(pytester: pytest.Pytester, seconds: str) -> None:
    result = pytester.runpytest("--deadline", seconds)
    assert result.ret == ExitCode.BAD_INPUT
    assert f"'{seconds}' is not a positive number of seconds" in result.stderr.str()


@pytest.mark.parametrize(("files", "name"), [({}, "none"), ({"embedded.yaml": "mine"}, "mine")])
def test_evidence_names_the_environment_in_use(
    pytester: pytest.Pytester, contracts: Path, files: dict[str, str], name: str
) -> None:
    (contracts / "environments").mkdir()
    for file, called in files.items():
        (contracts / "environments" / file).write_text(OWN.replace("own", called))
    pytester.runpytest(*LOCAL, "contracts/there.yaml", "--evidence", "proof")
    lines = (pytester.path / "proof" / "evidence.jsonl").read_text().splitlines()
    assert {json.loads(line)["environment"] for line in lines} == {name}


@pytest.mark.parametrize("ci", ["", "true"], ids=["by hand", "where CI runs"])
@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "workers"])
def test_one_cause_of_many_clauses_is_shown_in_full_once(
    pytester: pytest.Pytester, contracts: Path, monkeypatch: pytest.MonkeyPatch, workers: list[str], ci: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    monkeypatch.setenv("CI", ci)
    result = pytester.runpytest_subprocess(
        "contracts", "--junitxml", "junit.xml", "--evidence", "proof", *workers
    )
    text = result.stdout.str()
    assert result.ret == ExitCode.CANNOT_RUN
    assert text.count("UNPROVEN") == 1
    assert text.count(f"  reason          {NO_ENGINE}") == 1
    assert text.count("\n  try             builder-contracts doctor\n") == 1
    result.stdout.fnmatch_lines(
        [
            f"*unproven  6 clauses including *: {NO_ENGINE}*",
            "there * 2 unproven",
            "*2 passed, 8 unproven in *",
        ]
    )
    lines = (pytester.path / "proof" / "evidence.jsonl").read_text().splitlines()
    reasons = [record["observation"] for record in map(json.loads, lines) if record["outcome"] == "unproven"]
    assert len(reasons) == 8
    assert all(NO_ENGINE in reason for reason in reasons)
    errors = [case.find("error") for case in cases(pytester.path / "junit.xml").values()]
    texts = [error.text or "" for error in errors if error is not None]
    assert len(texts) == 8
    assert all("  promised  " in text for text in texts)


def test_workers_give_the_same_verdicts(pytester: pytest.Pytester, contracts: Path) -> None:
    pytester.runpytest(*LOCAL, "contracts", "--evidence", "alone")
    result = pytester.runpytest_subprocess(
        *LOCAL, "--contracts", "contracts", "-n", "2", "--evidence", "side"
    )
    assert result.parseoutcomes() == {"passed": 5, "failed": 1, "unproven": 1, "skipped": 3}

    def verdicts(folder: str) -> list[tuple[str, str]]:
        lines = (pytester.path / folder / "evidence.jsonl").read_text().splitlines()
        return sorted((record["clause"], record["outcome"]) for record in map(json.loads, lines))

    assert verdicts("side") == verdicts("alone")
    result.stdout.fnmatch_lines(["here * 3 kept*", "there * 2 kept*"])


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (("--builder", "hre"), "--builder hre: no contract"),
        (("--environment", "nowhere"), "--environment nowhere: no such file, and no such name"),
    ],
)
def test_wrong_option_is_reported_once_with_workers(
    pytester: pytest.Pytester, contracts: Path, option: tuple[str, str], expected: str
) -> None:
    result = pytester.runpytest_subprocess(*LOCAL, "contracts", "-n", "2", *option)
    text = result.stdout.str() + result.stderr.str()
    assert result.ret == ExitCode.BAD_INPUT
    assert "Traceback" not in text
    # The short summary repeats the beginning of the first line.
    assert text.count(f"{expected}") == 1 + text.count(f" - command line: {expected}")


def test_last_failed_runs_what_was_broken(pytester: pytest.Pytester, contracts: Path) -> None:
    pytester.runpytest(*LOCAL, "contracts")
    result = pytester.runpytest(*LOCAL, "contracts", "--lf")
    assert result.parseoutcomes() == {"failed": 1, "unproven": 1}


def test_the_first_failure_can_end_the_session(pytester: pytest.Pytester, contracts: Path) -> None:
    result = pytester.runpytest(*LOCAL, "contracts", "-x")
    result.assert_outcomes(passed=3, failed=1, skipped=1)


def test_no_rung_above_declared_on_an_unknown_machine(
    pytester: pytest.Pytester, contracts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Also where these tests run on a runner of some pool themselves.
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITLAB_CI", raising=False)
    pytester.runpytest(*LOCAL, "contracts", "--evidence", "proof")
    lines = (pytester.path / "proof" / "evidence.jsonl").read_text().splitlines()
    assert {json.loads(line)["rung"] for line in lines} <= {None, "C0"}
