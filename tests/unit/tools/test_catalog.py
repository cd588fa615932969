"""The catalog of tools: well formed, and a guess at misspelt names that leaves other tools alone."""

from __future__ import annotations

import doctest
import re
import tomllib
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load_all
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.tools import catalog as module
from builder_contracts.tools.catalog import MANAGERS, KnownTool, catalog, misspelt

ROOT = Path(__file__).parents[3]
DATA = Path(module.__file__).with_name("catalog.toml")


def test_the_examples_of_the_catalog_hold() -> None:
    assert doctest.testmod(module).failed == 0


def test_the_tables_stand_in_order_with_known_keys() -> None:
    tables = tomllib.loads(DATA.read_text("utf-8"))
    assert list(tables) == sorted(tables)
    for table in tables.values():
        assert table.keys() <= {"version", "pattern", "also", "work", *MANAGERS}


def test_no_name_stands_twice() -> None:
    names = [name for tool in catalog().values() for name in (tool.name, *tool.also)]
    assert len(names) == len(set(names))


def test_a_pattern_has_one_group() -> None:
    patterns = [tool.pattern for tool in catalog().values() if tool.pattern]
    assert patterns
    assert all(re.compile(pattern).groups == 1 for pattern in patterns)


def test_a_table_may_leave_everything_out() -> None:
    assert KnownTool.from_table("x", {"work": {"script": "x"}}) == KnownTool("x", ("--version",), "", {}, ())


def test_tools_of_the_projects_contracts_are_known_by_name() -> None:
    promised = {
        tool.name for contract in load_all(ROOT.glob("contracts/*.yaml")) for tool in contract.promised(Tool)
    }
    assert promised
    assert not {name for name in promised if misspelt(name)}


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("nxi", "nix"),
        ("pyhton3", "python3"),
        ("bazl", "bazel"),
        ("bazzel", "bazel"),
        ("dockr", "docker"),
        ("skopeoo", "skopeo"),
        ("terrafrom", "terraform"),
        ("crul", "curl"),
        ("cmaek", "cmake"),
    ],
)
def test_a_misspelt_tool_is_recognized(name: str, guess: str) -> None:
    assert misspelt(name) == guess


@pytest.mark.parametrize(
    "name",
    ["yq", "gitk", "tart", "pip3", "clang++", "clang-17", "python3.11", "python", "npx", "xzcat", "uv", "bat", "fd",
     "make2", "Git", "gmake", "our-linter", "ninja-build", "ssh-keygen", "x86_64-linux-gnu-gcc"],
)  # fmt: skip
def test_another_tool_is_left_alone(name: str) -> None:
    assert misspelt(name) is None
