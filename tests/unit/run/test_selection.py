"""Which clauses a run checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder_contracts.contract.loading import load_all
from builder_contracts.errors import ExitCode, InputError
from builder_contracts.run import last_failed
from builder_contracts.run.inputs import Inputs, load_inputs
from builder_contracts.run.options import RunOptions
from builder_contracts.run.selection import NothingSelected, Selected, select
from tests.plugin.conftest import OTHER, SAMPLE


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    for name, text in (("here", SAMPLE), ("there", OTHER)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return Inputs(tuple(load_all([tmp_path / "here.yaml", tmp_path / "there.yaml"])))


def ids(selection: list[Selected]) -> list[str]:
    return [clause.id for selected in selection for clause in selected.clauses]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("no-such-tool", ["here/toolchain/no-such-tool"]),
        ("NO-SUCH-tool", ["here/toolchain/no-such-tool"]),
        ("there/toolchain/*", ["there/toolchain/sh"]),
        ("toolchain/s?", ["here/toolchain/sh", "there/toolchain/sh"]),
        ("there and labels", ["there/labels/there"]),
        ("shell or localhost", ["here/identity/shell", "here/network/resolve/localhost"]),
        ("toolchain and not (no-such-tool or forgotten) and not there/*", ["here/toolchain/sh"]),
        ("there and not not labels", ["there/labels/there"]),
    ],
)
def test_words_and_globs_select_clauses(inputs: Inputs, expression: str, expected: list[str]) -> None:
    assert ids(select(inputs, RunOptions(keyword=expression))) == expected


@pytest.mark.parametrize("expression", ["(", "a or", "and b", "a b", "not", "(a", "a)"])
def test_anything_else_is_no_expression(inputs: Inputs, expression: str) -> None:
    with pytest.raises(InputError, match="not an expression"):
        select(inputs, RunOptions(keyword=expression))


def test_empty_selection_says_what_was_deselected(inputs: Inputs) -> None:
    with pytest.raises(NothingSelected, match="-k 'nothing' deselected all 10 clauses") as raised:
        select(inputs, RunOptions(keyword="nothing"))
    assert raised.value.exit_code is ExitCode.NOTHING_SELECTED


def test_last_failed_selects_what_failed_or_everything(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDER_CONTRACTS_CACHE", str(tmp_path / "cache"))
    options = RunOptions(last_failed=True, cwd=tmp_path)
    assert len(ids(select(inputs, options, last_failed.load(tmp_path)))) == 10
    last_failed.save(tmp_path, judged=["a", "there/toolchain/sh"], failed=["there/toolchain/sh"])
    assert ids(select(inputs, options, last_failed.load(tmp_path))) == ["there/toolchain/sh"]
    # A clause that was not judged is remembered, one that is kept now is not.
    last_failed.save(tmp_path, judged=["there/labels/there"], failed=[])
    assert last_failed.load(tmp_path) == {"there/toolchain/sh"}
    last_failed.save(tmp_path, judged=["there/toolchain/sh"], failed=[])
    assert last_failed.load(tmp_path) == frozenset()
    assert last_failed.load(tmp_path / "elsewhere") == frozenset()


def test_nothing_is_remembered_where_nothing_is_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDER_CONTRACTS_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    last_failed.save(tmp_path, judged=["a"], failed=["a"])
    assert last_failed.load(tmp_path) == frozenset()
    assert list(tmp_path.iterdir()) == []


def test_broken_contract_of_another_class_is_set_aside(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(OTHER.replace("there", "bad") + "resources: {cpu: x}\n")

    read = load_inputs(RunOptions(paths=(tmp_path,), builders=("here",)))

    assert [contract.name for contract in read.contracts] == ["here", "there"]
    assert [problem.source.file for problem in read.unreadable] == [str(tmp_path / "bad.yaml")]
    for builders in ((), ("bad",), ("here", "bad")):
        with pytest.raises(InputError, match=r"bad\.yaml"):
            load_inputs(RunOptions(paths=(tmp_path,), builders=builders))
