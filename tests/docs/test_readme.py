"""The README's first screen, held against the product: its commands run, its contract has the clauses that it shows."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.errors import EngineError
from builder_contracts.runner.docker import engine
from tests.cli.terminal import run
from tests.docs.test_tutorial import Command, missing, steps

RUNNER = "builder-contracts/runner:sid"

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
    by_hand = README.partition(first_contract())[2]
    summaries = [line for line in by_hand.splitlines() if line.startswith("my-runner  ")]
    assert len(summaries) == 2
    assert [counts(line) for line in summaries] == [len(clauses)] * 2
    (shown,) = re.findall(r"^contracts/my-runner\.yaml:(\d+)  (\S+)  BROKEN$", README, re.MULTILINE)
    lines = {clause.local_id: clause.source.line for clause in clauses}
    assert lines[shown[1]] == int(shown[0])


def without_counts(text: str) -> str:
    """A line whose counts depend on the day's packages, without them."""
    return re.sub(r"\b\d+\b", "N", text)


@pytest.mark.docker
def test_the_first_two_commands_print_what_is_shown(tmp_path: Path) -> None:
    try:
        client = engine.connect()
    except EngineError as error:
        pytest.skip(str(error))
    if engine.describe_image(client, RUNNER) is None:
        pytest.skip(f"the image {RUNNER} is not in the engine: script/images builds it")
    name = f"my-runner-{secrets.token_hex(4)}"
    client.images.get(RUNNER).tag(name)
    page = README.partition(first_contract())[0].replace("my-runner", name)
    try:
        for step in steps(page):
            assert isinstance(step, Command)
            program, *arguments = step.text.split()
            assert program == "builder-contracts"
            ended = run(*arguments, cwd=tmp_path, environment={"COLUMNS": "200"})
            assert ended.status == step.status, ended.err
            assert missing(list(map(without_counts, step.output)), without_counts(ended.out)) is None, (
                ended.out
            )
    finally:
        client.images.remove(name)
        client.close()
