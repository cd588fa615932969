"""YAML to items: node ids, selection, and what cannot be collected."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder_contracts.errors import ExitCode
from tests.plugin.conftest import OTHER, SAMPLE

LOCAL = ("--runner", "local")


def ids(pytester: pytest.Pytester, *arguments: str) -> list[str]:
    result = pytester.runpytest("--collect-only", "-q", *arguments)
    return [line for line in result.outlines if "::" in line]


HERE = [
    "contracts/here.yaml::labels/here",
    "contracts/here.yaml::image/reference",
    "contracts/here.yaml::identity/shell",
    "contracts/here.yaml::toolchain/sh",
    "contracts/here.yaml::toolchain/no-such-tool",
    "contracts/here.yaml::toolchain/forgotten",
    "contracts/here.yaml::network/resolve/localhost",
]


def test_node_ids_are_clause_ids(pytester: pytest.Pytester, contracts: Path) -> None:
    assert ids(pytester, "contracts/here.yaml") == HERE


def test_directory_with_only_yaml_is_enough(pytester: pytest.Pytester, contracts: Path) -> None:
    (pytester.path / "test_other.py").write_text("def test_other(): pass\n")
    collected = ids(pytester, "--contracts", "contracts")
    assert collected[: len(HERE)] == HERE
    assert len(collected) == len(HERE) + 3
    assert "test_other.py::test_other" in ids(pytester, "--contracts", "contracts", "test_other.py")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["-k", "no-such-tool or localhost"], ["toolchain/no-such-tool", "network/resolve/localhost"]),
        (["-m", "identity or labels", "--builder", "here"], ["labels/here", "identity/shell"]),
        (["-m", "contract and not toolchain", "--builder", "there"], ["labels/there", "image/reference"]),
        (["--builder", "there"], ["labels/there", "image/reference", "toolchain/sh"]),
        (["-m", "proof"], []),
    ],
)
def test_clauses_are_selected_by_name_kind_and_class(
    pytester: pytest.Pytester, contracts: Path, arguments: list[str], names: list[str]
) -> None:
    assert [node_id.partition("::")[2] for node_id in ids(pytester, *arguments, "contracts")] == names


def test_one_clause_is_selected_by_its_node_id(pytester: pytest.Pytester, contracts: Path) -> None:
    pytester.runpytest(*LOCAL, "contracts/here.yaml::toolchain/sh").assert_outcomes(passed=1)


def test_clause_kinds_are_registered_marks(pytester: pytest.Pytester, contracts: Path) -> None:
    result = pytester.runpytest("--strict-markers", "--collect-only", "-q", "contracts")
    assert result.ret == pytest.ExitCode.OK
    result = pytester.runpytest("--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.contract: *", "@pytest.mark.toolchain: *"])


def test_works_without_xdist(pytester: pytest.Pytester, contracts: Path) -> None:
    result = pytester.runpytest("-p", "no:xdist", "--strict-markers", *LOCAL, "contracts/there.yaml")
    result.assert_outcomes(passed=2, skipped=1)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--builder", "hre"], "*--builder hre: no contract declares this class*"),
        (["--image", "thre=x"], "*--image thre: no contract declares this class*"),
        (["--image", "nonsense"], "*--image: 'nonsense': use CLASS=REF*"),
        (["--contracts", "nowhere"], "*--contracts nowhere: no such file or directory*"),
        # Nothing is forbidden to root, which tests may run as: the system refuses this name to everybody.
        (["--contracts", "a" * 300], "*--contracts a*: cannot access: File name too long"),
        (["--linux-xr-source", "a" * 300], "*--linux-xr-source a*: cannot access: File name too long"),
    ],
)
def test_wrong_option_is_bad_input_without_traceback(
    pytester: pytest.Pytester, contracts: Path, arguments: list[str], expected: str
) -> None:
    result = pytester.runpytest("contracts", *arguments)
    assert result.ret == ExitCode.BAD_INPUT
    text = result.stdout.str() + result.stderr.str()
    (pytest.LineMatcher(text.splitlines())).fnmatch_lines([expected])
    assert "Traceback" not in text


def test_the_nearest_class_is_suggested(pytester: pytest.Pytester, contracts: Path) -> None:
    result = pytester.runpytest("contracts", "--image", "thre=x")
    assert "did you mean there?" in result.stdout.str() + result.stderr.str()


def test_directory_without_contract_is_bad_input(pytester: pytest.Pytester) -> None:
    folder = pytester.path / "empty"
    folder.mkdir()
    (folder / "ci.yaml").write_text("on: push\n")
    result = pytester.runpytest("--contracts", "empty")
    assert result.ret == ExitCode.BAD_INPUT
    assert "empty:1: no contracts found" in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "workers"])
def test_empty_selection_is_not_reported_as_missing_contracts(
    pytester: pytest.Pytester, contracts: Path, workers: list[str]
) -> None:
    result = pytester.runpytest_subprocess("--contracts", "contracts", "-k", "zzz", *workers)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "no contracts found" not in result.stdout.str() + result.stderr.str()


def test_file_passed_to_contracts_is_read_as_a_contract(pytester: pytest.Pytester) -> None:
    (pytester.path / "notes.txt").write_text("toolchain: {xz: present}\n")
    result = pytester.runpytest("--contracts", "notes.txt")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*notes.txt:1: the document is missing required field 'apiVersion'*"])


@pytest.mark.parametrize(
    "change",
    [
        ("kind: BuilderClass", "kind: BuilderClas"),
        ("builder-contracts/v1", "builder-contracts/v2"),
        ("apiVersion:", "apiversion:"),
        ("kind:", "knid:"),
    ],
)
def test_misspelt_contract_is_not_ignored(
    pytester: pytest.Pytester, contracts: Path, change: tuple[str, str]
) -> None:
    (contracts / "here.yaml").write_text(SAMPLE.replace(*change, 1))
    result = pytester.runpytest(*LOCAL, "contracts")
    assert result.ret == ExitCode.BAD_INPUT
    result.stdout.fnmatch_lines(["*ERROR collecting contracts/here.yaml*", "contracts/here.yaml:*"])
    assert "Traceback" not in result.stdout.str()
    assert (
        ".py" not in result.stdout.str().partition("ERROR collecting")[2].partition("short test summary")[0]
    )


def test_bad_input_has_line_and_fix(pytester: pytest.Pytester, contracts: Path) -> None:
    (contracts / "here.yaml").write_text(SAMPLE.replace("toolchain:", "toolchian:"))
    result = pytester.runpytest(*LOCAL, "contracts")
    result.stdout.fnmatch_lines(
        [
            'contracts/here.yaml:7: unknown field "toolchian" in the document',
            "*fix: did you mean 'toolchain'?",
        ]
    )


def test_two_contracts_with_one_label_are_bad_input(pytester: pytest.Pytester, contracts: Path) -> None:
    (contracts / "there.yaml").write_text(OTHER.replace("labels: [there]", "labels: [here]"))
    result = pytester.runpytest(*LOCAL, "contracts")
    assert result.ret == ExitCode.BAD_INPUT
    assert "label here already selects class here at" in result.stdout.str() + result.stderr.str()


def test_collection_imports_neither_engine_nor_judges(pytester: pytest.Pytester, contracts: Path) -> None:
    pytester.makeconftest(
        """
        import sys

        def pytest_sessionfinish():
            heavy = {"docker", "testinfra.backend.docker", "builder_contracts.runner.docker.runner",
                     "builder_contracts.run.run", "builder_contracts.judge"}
            print("LOADED", sorted(heavy & sys.modules.keys()))
        """
    )
    result = pytester.runpytest_subprocess("--collect-only", "-q", "-s", "contracts")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*LOADED []*"])


def test_other_yaml_in_the_directory_is_ignored(pytester: pytest.Pytester, contracts: Path) -> None:
    (contracts / "workflow.yml").write_text("on: push\njobs: {}\n")
    (contracts / "broken.yaml").write_text("a: [1\n")
    assert len(ids(pytester, "contracts")) == len(HERE) + 3


def test_broken_contract_costs_its_own_class_only(pytester: pytest.Pytester, contracts: Path) -> None:
    """Its class can be known only where it can be read: the run fails if a class that is asked for is missing."""
    (contracts / "bad.yaml").write_text(SAMPLE.replace("name: here", "name: bad") + "resources: {cpu: x}\n")

    for_there = pytester.runpytest(*LOCAL, "--builder", "there", "-k", "labels", "contracts")
    for_bad = pytester.runpytest(*LOCAL, "--builder", "bad", "contracts")
    for_all = pytester.runpytest(*LOCAL, "contracts")

    assert for_there.ret == ExitCode.KEPT
    for_there.assert_outcomes(passed=1, deselected=2)
    assert "WARNING: contracts/bad.yaml:17: " in for_there.stdout.str()
    for result in (for_bad, for_all):
        assert result.ret == ExitCode.BAD_INPUT
        assert "contracts/bad.yaml" in result.stdout.str() + result.stderr.str()


def test_tests_of_one_group_run_in_one_worker(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os, pytest

        @pytest.mark.xdist_group("together")
        @pytest.mark.parametrize("number", range(6))
        def test_number(number):
            with open("workers", "a") as file:
                print(os.environ["PYTEST_XDIST_WORKER"], file=file)
        """
    )
    result = pytester.runpytest_subprocess("-n", "2", "--dist", "loadgroup")

    assert result.ret == pytest.ExitCode.OK
    workers = (pytester.path / "workers").read_text("utf-8").split()
    assert len(workers) == 6
    assert len(set(workers)) == 1
