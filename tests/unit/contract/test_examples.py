"""Every file and folder in tests/examples is a case: a new case is a new file.

A folder is judged as a whole, with what it extends in a folder of its own. Beside each rejected case NAME
stands NAME.expected with the exact message. ``REVIEW=write pytest tests/unit/contract/test_examples.py``
writes the messages anew; the change is then for a person to review.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load_all
from builder_contracts.errors import ExitCode, InputError

EXAMPLES = Path(__file__).parents[2] / "examples"


def cases(folder: str) -> list[Path]:
    entries = sorted((EXAMPLES / folder).iterdir())
    bases = {EXAMPLES / "accepted" / "bases"}
    return [entry for entry in entries if entry.suffix != ".expected" and entry not in bases]


def files(case: Path) -> list[Path]:
    paths = sorted(case.glob("*.yaml")) if case.is_dir() else [case]
    return [path.relative_to(EXAMPLES) for path in paths]


@pytest.mark.parametrize("case", cases("accepted"), ids=lambda case: case.stem)
def test_an_accepted_example_has_clauses(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    for contract in load_all(files(case)):
        assert contract.clauses


@pytest.mark.parametrize("case", cases("rejected"), ids=lambda case: case.stem)
def test_a_rejected_example_says_exactly_what_is_wrong(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    with pytest.raises(InputError) as caught:
        load_all(files(case))
    message = f"{caught.value}\n"
    snapshot = case.with_suffix(".expected")
    if os.environ.get("REVIEW") == "write":
        snapshot.write_text(message, "utf-8")
    assert message == snapshot.read_text("utf-8")


@pytest.mark.parametrize("case", cases("rejected"), ids=lambda case: case.stem)
def test_a_rejection_names_file_line_and_fix_in_short(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    with pytest.raises(InputError) as caught:
        load_all(files(case))
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    for problem in caught.value.problems:
        lines = Path(problem.source.file).read_bytes().split(b"\n")
        assert 0 <= problem.source.line <= len(lines)
        for text in (problem.message, problem.fix):
            assert text.isprintable()
            assert 0 < len(text) < 500


@pytest.mark.parametrize("subject", ["label", "responsibilit"])
def test_a_declared_kind_is_rejected_in_two_ways_at_least(subject: str) -> None:
    messages = [path.read_text("utf-8") for path in (EXAMPLES / "rejected").glob("*.expected")]
    assert sum(subject in message.partition("\n")[0] for message in messages) >= 2


def test_no_expected_message_is_left_without_its_example() -> None:
    expected = {path.stem for path in (EXAMPLES / "rejected").glob("*.expected")}
    assert expected == {case.stem for case in cases("rejected")}
