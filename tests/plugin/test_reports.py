"""What a session tells: failures for people, JUnit and evidence for programs, and an exit status."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from builder_contracts.contract import schema
from tests.plugin.conftest import SAMPLE

LOCAL = ("--runner", "local")
OWN = (
    "apiVersion: builder-contracts/v1\nkind: Environment\nmetadata: {name: own, summary: A place of my own}\n"
)


def test_each_outcome_is_reported_as_what_it_is(pytester: pytest.Pytester, contracts: Path) -> None:
    result = pytester.runpytest(*LOCAL, "contracts")
    result.assert_outcomes(passed=5, failed=1, errors=1, skipped=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_broken_promise_reads_as_one_and_has_no_traceback(
    pytester: pytest.Pytester, contracts: Path
) -> None:
    result = pytester.runpytest(*LOCAL, "contracts/here.yaml", "-k", "no-such-tool")
    result.stdout.fnmatch_lines(
        [
            "contracts/here.yaml:9  toolchain/no-such-tool  BROKEN",
            "  promised  no-such-tool on the job's PATH",
            "  seen      not found in *bin",
            "  likely    the image lacks the package no-such-tool, or PATH lacks its directory",
            "  why       nothing works without it",
            "  try       builder-contracts facts --contract *here.yaml --runner local | jq '.tools[[]\"no-such-tool\"[]]'",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert "plugin.py" not in result.stdout.str()


def test_unproven_is_never_green(pytester: pytest.Pytester, contracts: Path) -> None:
    result = pytester.runpytest(*LOCAL, "contracts", "-k", "localhost")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*network/resolve/localhost  UNPROVEN", "  because   the image has no getent*"]
    )


def test_what_a_machine_can_never_show_is_a_loud_skip_and_strict_makes_it_an_error(
    pytester: pytest.Pytester, contracts: Path
) -> None:
    lenient = pytester.runpytest(*LOCAL, "contracts/there.yaml", "-rs")
    assert lenient.ret == pytest.ExitCode.OK
    lenient.assert_outcomes(passed=2, skipped=1)
    lenient.stdout.fnmatch_lines(["*SKIPPED*unproven: the local runner starts no image*"])
    lenient.stdout.fnmatch_lines(["*1 unproven*"])
    strict = pytester.runpytest(*LOCAL, "contracts/there.yaml", "--strict-contracts")
    assert strict.ret == pytest.ExitCode.TESTS_FAILED
    strict.assert_outcomes(passed=2, errors=1)


def test_the_summary_counts_each_class(pytester: pytest.Pytester, contracts: Path) -> None:
    result = pytester.runpytest(*LOCAL, "contracts")
    result.stdout.fnmatch_lines(
        [
            "*builder contracts*",
            "here * 3 kept (3 declared) * 1 broken * 2 unproven * 1 waived*",
            "*unproven  image/reference: the local runner starts no image*",
            "*waived    toolchain/forgotten: not found in*",
            "*unproven  network/resolve/localhost: the image has no getent*",
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
    result.stdout.fnmatch_lines(["*the waiver expired on 2020-02-29*"])


def cases(path: Path) -> dict[str, ElementTree.Element]:
    root = ElementTree.parse(path).getroot()  # noqa: S314 # what pytest has just written
    return {f"{case.get('classname')}/{case.get('name')}": case for case in root.iter("testcase")}


def properties(case: ElementTree.Element) -> dict[str, str]:
    return {str(one.get("name")): str(one.get("value")) for one in case.iter("property")}


def test_junit_carries_every_verdict(pytester: pytest.Pytester, contracts: Path) -> None:
    pytester.runpytest(*LOCAL, "contracts/here.yaml", "--junitxml", "junit.xml")
    found = {properties(case)["clause"]: case for case in cases(pytester.path / "junit.xml").values()}
    assert len(found) == 7
    for clause, verdict, element in (
        ("here/toolchain/sh", "kept", None),
        ("here/toolchain/no-such-tool", "broken", "failure"),
        ("here/network/resolve/localhost", "unproven", "error"),
        ("here/image/reference", "unproven", "skipped"),
        ("here/toolchain/forgotten", "waived", "skipped"),
    ):
        case = found[clause]
        told = properties(case)
        assert told["verdict"] == verdict
        assert told["builder"] == "here"
        assert told["kind"] == clause.split("/")[1]
        assert [child.tag for child in case if child.tag != "properties"] == ([element] if element else [])
    broken = found["here/toolchain/no-such-tool"].find("failure")
    assert broken is not None
    assert "promised  no-such-tool on the job's PATH" in (broken.text or "")
    assert "Traceback" not in (broken.text or "")


def test_evidence_has_a_line_a_verdict_and_keeps_to_its_schema(
    pytester: pytest.Pytester, contracts: Path
) -> None:
    pytester.runpytest(*LOCAL, "contracts", "--evidence", "proof/of")
    lines = (pytester.path / "proof" / "of" / "evidence.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    validator = Draft202012Validator(schema.load("evidence"))
    for record in records:
        validator.validate(record)
        assert record["runner"] == "local"
    verdicts = sorted(record["verdict"] for record in records)
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
def test_a_report_that_cannot_be_written_is_told_before_anything_runs(
    pytester: pytest.Pytester, contracts: Path, option: tuple[str, str]
) -> None:
    (pytester.path / "taken").write_text("")
    result = pytester.runpytest(*LOCAL, "contracts/there.yaml", *option)
    text = result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "cannot be written" in text
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
    assert "MY_TOKEN is set (value not shown)" in result.stdout.str()
    assert "MY_TOKEN=" not in (pytester.path / "junit.xml").read_text()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "--environment nowhere: neither a file nor a name in environments/"),
        ("onw", "did you mean own?"),
        ("contracts", "--environment contracts: neither a file nor a name in environments/"),
        ("cut.yaml", "cut.yaml:"),
    ],
)
def test_an_environment_that_cannot_be_used_is_told_once_and_nothing_runs(
    pytester: pytest.Pytester, contracts: Path, name: str, said: str
) -> None:
    (contracts / "environments").mkdir()
    (contracts / "environments" / "own.yaml").write_text(OWN)
    (pytester.path / "cut.yaml").write_text("apiVersion: [1\n")
    result = pytester.runpytest(*LOCAL, "contracts", "--environment", name)
    text = result.stdout.str() + result.stderr.str()
    assert text.count(said) == 1
    assert "passed" not in text
    assert "Traceback" not in text
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_an_environment_is_found_also_where_no_clause_is_selected(
    pytester: pytest.Pytester, contracts: Path
) -> None:
    (contracts / "environments").mkdir()
    (contracts / "environments" / "own.yaml").write_text(OWN)
    result = pytester.runpytest(*LOCAL, "contracts", "-m", "proof", "--environment", "own")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize("option", ["--linux-xr-source", "--linux-xr-config"])
def test_a_kernel_that_is_not_there_is_told_before_anything_runs(
    pytester: pytest.Pytester, contracts: Path, option: str
) -> None:
    result = pytester.runpytest(*LOCAL, "contracts", option, "nowhere")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert (result.stdout.str() + result.stderr.str()).count("there is no such file or folder") == 1


@pytest.mark.parametrize("seconds", ["-1", "0", "nan", "inf", "soon"])
def test_a_deadline_that_is_no_time_to_wait_is_refused(pytester: pytest.Pytester, seconds: str) -> None:
    result = pytester.runpytest("--deadline", seconds)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"'{seconds}' is not a number of seconds above 0" in result.stderr.str()


@pytest.mark.parametrize(("files", "name"), [({}, "none"), ({"embedded.yaml": "mine"}, "mine")])
def test_evidence_names_the_environment_that_was_found(
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
def test_a_cause_that_takes_many_clauses_along_is_told_in_full_once(
    pytester: pytest.Pytester, contracts: Path, monkeypatch: pytest.MonkeyPatch, workers: list[str], ci: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    monkeypatch.setenv("CI", ci)
    result = pytester.runpytest_subprocess(
        "contracts", "--junitxml", "junit.xml", "--evidence", "proof", *workers
    )
    text = result.stdout.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert text.count("UNPROVEN") == 1
    assert text.count("  because   no Docker Engine answers") == 1
    assert text.count("\n  try       builder-contracts doctor\n") == 1
    result.stdout.fnmatch_lines(
        [
            "*unproven  6 clauses, * and others: no Docker Engine answers*",
            "there * 2 unproven",
            "*2 passed, 1 error, 7 unproven in *",
        ]
    )
    lines = (pytester.path / "proof" / "evidence.jsonl").read_text().splitlines()
    seen = [record["seen"] for record in map(json.loads, lines) if record["verdict"] == "unproven"]
    assert len(seen) == 8
    assert all("no Docker Engine answers" in reason for reason in seen)
    errors = [case.find("error") for case in cases(pytester.path / "junit.xml").values()]
    told = [error.text or "" for error in errors if error is not None]
    assert len(told) == 8
    assert all("  promised  " in each for each in told)


def test_workers_give_the_same_verdicts(pytester: pytest.Pytester, contracts: Path) -> None:
    pytester.runpytest(*LOCAL, "contracts", "--evidence", "alone")
    result = pytester.runpytest_subprocess(
        *LOCAL, "--contracts", "contracts", "-n", "2", "--evidence", "side"
    )
    result.assert_outcomes(passed=5, failed=1, errors=1, skipped=3)

    def verdicts(folder: str) -> list[tuple[str, str]]:
        lines = (pytester.path / folder / "evidence.jsonl").read_text().splitlines()
        return sorted((record["clause"], record["verdict"]) for record in map(json.loads, lines))

    assert verdicts("side") == verdicts("alone")
    result.stdout.fnmatch_lines(["here * 3 kept*", "there * 2 kept*"])


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--builder", "hre"), "--builder names the class hre"),
        (("--environment", "nowhere"), "--environment nowhere: neither a file nor a name"),
    ],
)
def test_a_wrong_option_is_told_once_also_with_workers(
    pytester: pytest.Pytester, contracts: Path, option: tuple[str, str], said: str
) -> None:
    result = pytester.runpytest_subprocess(*LOCAL, "contracts", "-n", "2", *option)
    text = result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in text
    # The short summary repeats the beginning of the first line.
    assert text.count(f"{said}") == 1 + text.count(f" - command line:1: {said}")


def test_last_failed_runs_what_was_broken(pytester: pytest.Pytester, contracts: Path) -> None:
    pytester.runpytest(*LOCAL, "contracts")
    result = pytester.runpytest(*LOCAL, "contracts", "--lf")
    result.assert_outcomes(failed=1, errors=1)


def test_the_first_failure_can_end_the_session(pytester: pytest.Pytester, contracts: Path) -> None:
    result = pytester.runpytest(*LOCAL, "contracts", "-x")
    result.assert_outcomes(passed=3, failed=1, skipped=1)


def test_promises_of_a_pool_are_not_claimed_of_some_machine(
    pytester: pytest.Pytester, contracts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Also where these tests run on a runner of some pool themselves.
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITLAB_CI", raising=False)
    pytester.runpytest(*LOCAL, "contracts", "--evidence", "proof")
    lines = (pytester.path / "proof" / "evidence.jsonl").read_text().splitlines()
    assert {json.loads(line)["rung"] for line in lines} <= {"", "C0"}
