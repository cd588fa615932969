"""YAML to items: node ids, selection, and what cannot be collected."""

from __future__ import annotations

from pathlib import Path

import pytest

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


def test_each_clause_is_an_item_whose_node_id_is_its_clause_id(
    pytester: pytest.Pytester, contracts: Path
) -> None:
    assert ids(pytester, "contracts/here.yaml") == HERE


def test_a_folder_of_nothing_but_yaml_is_enough(pytester: pytest.Pytester, contracts: Path) -> None:
    (pytester.path / "test_other.py").write_text("def test_other(): pass\n")
    found = ids(pytester, "--contracts", "contracts")
    assert found[: len(HERE)] == HERE
    assert len(found) == len(HERE) + 3
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
    assert [found.partition("::")[2] for found in ids(pytester, *arguments, "contracts")] == names


def test_one_clause_is_selected_by_its_node_id(pytester: pytest.Pytester, contracts: Path) -> None:
    pytester.runpytest(*LOCAL, "contracts/here.yaml::toolchain/sh").assert_outcomes(passed=1)


def test_kinds_are_known_marks_also_where_marks_are_strict(
    pytester: pytest.Pytester, contracts: Path
) -> None:
    result = pytester.runpytest("--strict-markers", "--collect-only", "-q", "contracts")
    assert result.ret == pytest.ExitCode.OK
    result = pytester.runpytest("--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.contract: *", "@pytest.mark.toolchain: *"])


def test_works_without_xdist(pytester: pytest.Pytester, contracts: Path) -> None:
    result = pytester.runpytest("-p", "no:xdist", "--strict-markers", *LOCAL, "contracts/there.yaml")
    result.assert_outcomes(passed=2, skipped=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--builder", "hre"], "*--builder names the class hre, which no contract declares*"),
        (["--image", "thre=x"], "*--image names the class thre, which no contract declares*"),
        (["--image", "nonsense"], "*--image 'nonsense': write CLASS=REF*"),
        (["--contracts", "nowhere"], "*--contracts nowhere: there is no such file or folder*"),
        # Nothing is forbidden to root, which tests may run as: the system refuses this name to everybody.
        (["--contracts", "a" * 300], "*--contracts a* cannot be looked at: File name too long"),
        (["--linux-xr-source", "a" * 300], "*--linux-xr-source a* cannot be looked at: File name too long"),
    ],
)
def test_a_wrong_option_is_a_usage_error_without_a_traceback(
    pytester: pytest.Pytester, contracts: Path, arguments: list[str], said: str
) -> None:
    result = pytester.runpytest("contracts", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stdout.str() + result.stderr.str()
    (pytest.LineMatcher(text.splitlines())).fnmatch_lines([said])
    assert "Traceback" not in text


def test_the_nearest_class_is_suggested(pytester: pytest.Pytester, contracts: Path) -> None:
    result = pytester.runpytest("contracts", "--image", "thre=x")
    assert "did you mean there?" in result.stdout.str() + result.stderr.str()


def test_a_folder_without_a_contract_is_an_error_not_a_success(pytester: pytest.Pytester) -> None:
    folder = pytester.path / "empty"
    folder.mkdir()
    (folder / "ci.yaml").write_text("on: push\n")
    result = pytester.runpytest("--contracts", "empty")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "no contract in empty" in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "workers"])
def test_a_selection_that_matches_nothing_is_not_told_as_contracts_that_are_missing(
    pytester: pytest.Pytester, contracts: Path, workers: list[str]
) -> None:
    result = pytester.runpytest_subprocess("--contracts", "contracts", "-k", "zzz", *workers)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "no contract in" not in result.stdout.str() + result.stderr.str()


def test_a_file_that_is_named_as_a_contract_is_one_whatever_it_looks_like(pytester: pytest.Pytester) -> None:
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
def test_a_misspelt_contract_is_never_silently_ignored(
    pytester: pytest.Pytester, contracts: Path, change: tuple[str, str]
) -> None:
    (contracts / "here.yaml").write_text(SAMPLE.replace(*change, 1))
    result = pytester.runpytest(*LOCAL, "contracts")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*ERROR collecting contracts/here.yaml*", "contracts/here.yaml:*"])
    assert "Traceback" not in result.stdout.str()
    assert (
        ".py" not in result.stdout.str().partition("ERROR collecting")[2].partition("short test summary")[0]
    )


def test_bad_input_is_told_with_line_and_mend(pytester: pytest.Pytester, contracts: Path) -> None:
    (contracts / "here.yaml").write_text(SAMPLE.replace("toolchain:", "toolchian:"))
    result = pytester.runpytest(*LOCAL, "contracts")
    result.stdout.fnmatch_lines(
        [
            'contracts/here.yaml:7: unknown field "toolchian" in the document',
            "*fix: did you mean 'toolchain'?",
        ]
    )


def test_two_contracts_that_claim_one_label_are_refused(pytester: pytest.Pytester, contracts: Path) -> None:
    (contracts / "there.yaml").write_text(OTHER.replace("labels: [there]", "labels: [here]"))
    result = pytester.runpytest(*LOCAL, "contracts")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "label here already selects class here at" in result.stdout.str() + result.stderr.str()


def test_collecting_starts_nothing_and_loads_no_engine(pytester: pytest.Pytester, contracts: Path) -> None:
    pytester.makeconftest(
        """
        import sys

        def pytest_sessionfinish():
            heavy = {"docker", "testinfra.backend.docker", "builder_contracts.runner.docker",
                     "builder_contracts.observe.survey", "builder_contracts.judge"}
            print("LOADED", sorted(heavy & sys.modules.keys()))
        """
    )
    result = pytester.runpytest_subprocess("--collect-only", "-q", "-s", "contracts")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*LOADED []*"])


def test_other_yaml_in_the_same_folder_is_left_alone(pytester: pytest.Pytester, contracts: Path) -> None:
    (contracts / "workflow.yml").write_text("on: push\njobs: {}\n")
    (contracts / "broken.yaml").write_text("a: [1\n")
    assert len(ids(pytester, "contracts")) == len(HERE) + 3
