"""The contract on the README's first screen, held against the product."""

from __future__ import annotations

import re
from pathlib import Path

from builder_contracts.contract.loading import load

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def first_contract() -> str:
    example = re.search(
        r"^```yaml\n(# contracts/my-runner\.yaml\n.*?)^```$", README, re.MULTILINE | re.DOTALL
    )
    assert example
    return example[1]


def counts(line: str) -> int:
    """The clauses that a line of a summary counts."""
    return sum(int(number) for number in re.findall(r"(\d+) (?:kept|broken|unproven)", line))


def test_the_first_contract_has_the_clauses_that_are_shown(tmp_path: Path) -> None:
    file = tmp_path / "my-runner.yaml"
    file.write_text(first_contract(), "utf-8")
    clauses = load(file).clauses
    summaries = [line for line in README.splitlines() if line.startswith("my-runner  ")]
    assert len(summaries) == 2
    assert [counts(line) for line in summaries] == [len(clauses)] * 2
    (shown,) = re.findall(r"^contracts/my-runner\.yaml:(\d+)  (\S+)  BROKEN$", README, re.MULTILINE)
    lines = {clause.local_id: clause.source.line for clause in clauses}
    assert lines[shown[1]] == int(shown[0])
