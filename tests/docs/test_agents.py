"""The pages for agents, run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from builder_contracts import cli
from builder_contracts.contract import schemas
from builder_contracts.run.exit_status import SHORT
from tests.docs.test_tutorial import Command, File, missing, steps

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "AGENTS.md").read_text("utf-8")


def run_page(page: str, folder: Path) -> int:
    """Write the files of a page and run its commands; how many ran."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV"))}
    variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables |= {"COLUMNS": "200", "PYTHONPATH": ""}
    ran = 0
    for step in steps(page):
        if isinstance(step, File):
            path = folder / step.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.text, "utf-8")
            continue
        assert isinstance(step, Command)
        done = subprocess.run(
            ["/bin/bash", "-c", step.text], cwd=folder, env=variables, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == step.status, f"$ {step.text}\n{done.stdout}"
        assert missing(step.output, done.stdout) is None, f"$ {step.text}\n{done.stdout}"
        ran += 1
    assert ran == page.count("\n$ ")
    return ran


def test_the_client_of_the_page_gets_the_answer_shown(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/agents.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / "ask.py").write_text(program, "utf-8")
    assert run_page(page, tmp_path) == 1


def test_the_page_of_agents_runs_as_it_stands(tmp_path: Path) -> None:
    assert run_page(PAGE, tmp_path) == 4


def test_the_page_of_agents_has_the_table_of_exit_codes() -> None:
    table = PAGE.partition("\n## Exit codes\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE)
    assert rows == [(str(code.value), meaning) for code, meaning in SHORT.items()]


def wrong_commands(page: str) -> list[str]:
    """The commands of a page that do not exist, or not with these options."""
    wrong = []
    for name, arguments in re.findall(r"`builder-contracts ([a-z]+)([^`]*)`", page):
        command = cli.group.get_command(click.Context(cli.group), name)
        known = {option for parameter in command.params for option in parameter.opts} if command else set()
        if command is None or not set(re.findall(r"--[a-z-]+", arguments)) <= known:
            wrong.append(f"{name}{arguments}")
    return wrong


def test_the_page_of_agents_names_commands_that_exist() -> None:
    assert wrong_commands(PAGE) == []
    assert wrong_commands("`builder-contracts explode` `builder-contracts check --fast`") == [
        "explode",
        "check --fast",
    ]


@pytest.mark.parametrize("name", ["builder-class", "verdict", "answer"])
def test_a_schema_of_the_page_exists(name: str) -> None:
    assert f"`{name}`" in PAGE
    assert name in schemas.names()
