"""The catalog of tools: well formed, and a guess at misspelt names that leaves other tools alone."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load_all
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.errors import InputError
from builder_contracts.tools import catalog as module
from builder_contracts.tools.catalog import Catalog, KnownTool, catalog, misspelt, read_tools
from builder_contracts.tools.work import NONCE

ROOT = Path(__file__).parents[3]


def test_the_examples_of_the_catalog_hold() -> None:
    assert doctest.testmod(module).failed == 0


def test_at_least_fifty_tools_are_known_and_most_have_work() -> None:
    assert len(catalog()) >= 50
    assert sum(tool.work is not None for tool in catalog().values()) >= 50


def test_no_work_is_done_by_ending_well() -> None:
    assert [tool.name for tool in catalog().values() if tool.work is not None and not tool.work.output] == []


def test_no_output_of_a_known_work_can_be_prepared() -> None:
    # The keys of cosign are new each time, and skopeo prints a digest alone.
    prepared = [tool.name for tool in catalog().values() if tool.work and NONCE not in repr(tool.work)]
    assert prepared == ["cosign", "skopeo"]


def test_tools_of_the_contracts_have_work_where_possible() -> None:
    present = [
        tool
        for contract in load_all(ROOT.glob("contracts/*.yaml"))
        for tool in contract.promised(Tool)
        if tool.present
    ]
    assert {tool.name for tool in present if tool.work is None} == {"bazel"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version = [", "not TOML"),
        ("versoin = []", "unknown key 'versoin'"),
        ("version = '-v'", "'version' is not a list of texts"),
        ("pattern = '('", "'pattern' is not a regular expression"),
        ("pattern = 'x'", "'pattern' must have one group"),
        ("order = 'random'", "'order' is not one of numbers, letters, date"),
        ("[work]", "'work' has no 'steps'"),
        ("[work]\nsteps = [{arguments = []}]\nspeed = 1", "unknown key 'speed'"),
        ("[work]\nsteps = [{argument = []}]", "a step of 'work'"),
        ("[work]\nsteps = [{arguments = [], stdin = 1}]", "are texts"),
        ("[work]\nsteps = [{arguments = []}]\noutput = 1", "'output' of 'work' is not a text"),
        ("[work]\nsteps = [{arguments = []}]\nshows = 1", "'shows' of 'work' is not a text"),
        ("[work]\nsteps = [{arguments = []}]\nseconds = 90", "'seconds' of 'work'"),
        ("[work]\nsteps = [{arguments = []}]\nfiles = {a = 1}", "'files' of 'work'"),
    ],
)
def test_a_file_that_is_no_tool_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text(text)
    with pytest.raises(InputError) as refused:
        read_tools(tmp_path)
    assert problem in str(refused.value)
    assert "ours.toml" in str(refused.value)


def test_the_file_of_a_tool_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text('pattern = "v([0-9.]+)"\n')
    (tmp_path / "wrong.toml").write_text("this is no TOML\n")
    tools = Catalog(tmp_path)
    assert list(tools) == ["good", "wrong"]
    assert tools["good"].pattern == "v([0-9.]+)"
    assert tools.get("other") is None
    with pytest.raises(InputError, match="not TOML"):
        tools["wrong"]


def test_no_name_stands_twice() -> None:
    names = [name for tool in catalog().values() for name in (tool.name, *tool.also)]
    assert len(names) == len(set(names))


def test_a_pattern_has_one_group() -> None:
    patterns = [tool.pattern for tool in catalog().values() if tool.pattern]
    assert patterns
    assert all(re.compile(pattern).groups == 1 for pattern in patterns)


def test_a_table_may_leave_everything_out() -> None:
    assert KnownTool.from_table("x", {}) == KnownTool("x", ("--version",), "", "numbers", {}, (), None)


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
        ("gitt", "git"),
        ("cmaek", "cmake"),
    ],
)
def test_a_misspelt_tool_is_recognized(name: str, guess: str) -> None:
    assert misspelt(name) == guess


@pytest.mark.parametrize(
    "name",
    ["yq", "gitk", "tart", "pip3", "clang++", "clang-17", "python3.11", "python", "npx", "xzcat", "uv", "bat", "fd",
     "make2", "Git", "gmake", "our-linter", "7zz", "ninja-build", "ssh-keygen", "x86_64-linux-gnu-gcc"],
)  # fmt: skip
def test_another_tool_is_left_alone(name: str) -> None:
    assert misspelt(name) is None
