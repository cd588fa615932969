"""The pages of docs/ that are made by script/docs, and what they are made from."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from click.testing import CliRunner

from builder_contracts import cli
from builder_contracts.contract import document, schemas
from builder_contracts.contract.loading import load
from builder_contracts.contract.promises import Promise
from builder_contracts.errors import ExitCode
from docs import generate

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", list(generate.PAGES))
def test_the_page_is_what_script_docs_would_write(name: str) -> None:
    written = (ROOT / "docs" / name).read_text("utf-8")
    assert written == generate.PAGES[name](), f"docs/{name} is stale: run script/docs and commit it"


def test_a_stale_page_is_found_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    monkeypatch.setattr(generate, "PAGES", {"page.md": lambda: "new\n"})
    (tmp_path / "page.md").write_text("old\n", "utf-8")
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    assert generate.main() == 1
    assert (tmp_path / "page.md").read_text("utf-8") == "old\n"
    monkeypatch.setattr(sys, "argv", ["generate.py"])
    assert generate.main() == 0
    assert (tmp_path / "page.md").read_text("utf-8") == "new\n"


def _members(union: Any) -> Iterator[type]:
    for member in get_args(union):
        if get_args(member):
            yield from _members(member)
        else:
            yield member


def test_the_example_contract_has_every_kind_of_promise() -> None:
    contract = load(generate.EXAMPLE)
    assert {type(clause.promise) for clause in contract.clauses} == set(_members(Promise))


def test_the_example_contract_has_every_field_of_the_schema() -> None:
    data = document.read(generate.EXAMPLE).data
    whole = schemas.load("builder-class")
    missing = [
        field.path
        for field in generate.fields("builder-class", whole)
        if not list(generate.values(data, field.place))
    ]
    assert missing == []


def _commands(name: str) -> list[tuple[str, ...]]:
    """The command, or the commands of the group, of that name."""
    command = cli.group.get_command(click.Context(cli.group), name)
    if isinstance(command, click.Group):
        return [(name, inner) for inner in command.list_commands(click.Context(command))]
    return [(name,)]


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_the_page_has_every_option_that_the_commands_help_prints(name: str) -> None:
    text = (ROOT / "docs/reference/cli.md").read_text("utf-8")
    for path in _commands(name):
        printed = CliRunner().invoke(cli.group, [*path, "--help"])
        assert printed.exit_code == 0
        columns = re.findall(r"^ +(-.*?)(?:  |$)", printed.output, re.MULTILINE)
        options = {option for column in columns for option in re.findall(r"--[\w-]+", column)} - {"--help"}
        section = text.partition(f"\n## builder-contracts {' '.join(path)}\n")[2].partition("\n## ")[0]
        rows = re.findall(r"^\| `([^`]*)`", section, re.MULTILINE)
        listed = {option for row in rows for option in re.findall(r"--[\w-]+", row)}
        assert listed == options, " ".join(path)


def test_the_page_has_every_option_that_pytests_help_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "pytest", "--help", "-c", "/dev/null"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    group = printed.partition("contracts of CI runner classes:")[2].partition("\n\n")[0]
    options = set(re.findall(r"^ +(--[\w-]+)", group, re.MULTILINE))
    assert "--contracts" in options
    section = (ROOT / "docs/reference/cli.md").read_text("utf-8").partition("\n## pytest\n")[2]
    assert options <= set(re.findall(r"--[\w-]+", section))


def test_page_has_the_meaning_of_every_exit_code() -> None:
    text = (ROOT / "docs/reference/cli.md").read_text("utf-8").partition("\n## builder-contracts ")[0]
    assert re.findall(r"^\| (\d+) \|", text, re.MULTILINE) == [str(code.value) for code in ExitCode]
