"""One table of options for all faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from builder_contracts.cli import group
from builder_contracts.errors import InputError
from builder_contracts.run import pytest_options
from builder_contracts.run.options import CHECK, FACTS, OPTIONS, PYTEST, options_of, parse


class Parser:
    """Takes what pytest would be given."""

    def __init__(self) -> None:
        self.flags: list[str] = []

    def getgroup(self, *_: str) -> Parser:
        return self

    def addoption(self, *flags: str, **_: Any) -> None:
        self.flags += flags


@pytest.mark.parametrize("name", [CHECK, FACTS])
def test_commands_have_exactly_the_options_of_the_table(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    flags = {
        flag for parameter in command.params if isinstance(parameter, click.Option) for flag in parameter.opts
    }
    table = {flag for option in options_of(name) for flag in (*option.flags, *option.aliases)}
    own = {"-o", "--output", "--json"} if name == FACTS else set()
    assert flags == table | own


def test_pytest_has_exactly_the_options_of_the_table() -> None:
    parser: Any = Parser()
    pytest_options.add_options(parser)
    assert parser.flags == [flag for option in options_of(PYTEST) for flag in option.flags]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: f"{option.flags[-1]}-{option.faces[0]}")
def test_help_is_a_sentence_with_default_and_repetition(option: Any) -> None:
    assert option.help[0].isupper()
    assert option.help.endswith(".")
    assert ("(repeatable" in option.help_with_notes) == option.repeatable
    assert not pytest_options.help_of(option).endswith(".")


@pytest.mark.parametrize(
    ("values", "message", "fix"),
    [
        (
            {"runner": "dokcer"},
            "--runner dokcer: 'dokcer' is not one of docker, local",
            "did you mean docker?",
        ),
        ({"image": ["x"]}, "--image: 'x': use CLASS=REF, for example", "pass --image CLASS=REF"),
        ({"image": ["a=b\nc"]}, "--image: 'a=b\\nc': use CLASS=REF", "pass --image CLASS=REF"),
        (
            {"deadline": "nan"},
            "--deadline: 'nan' is not a positive number of seconds",
            "pass --deadline SECONDS",
        ),
        ({"allow_writes": ["nixx"]}, "--allow-writes nixx: 'nixx' is not one of nix,", "did you mean nix?"),
    ],
)
def test_wrong_values_say_what_would_be_right(
    tmp_path: Path, values: dict[str, Any], message: str, fix: str
) -> None:
    for face in (CHECK, PYTEST):
        with pytest.raises(InputError) as raised:
            parse(face, values, cwd=tmp_path)
        (problem,) = raised.value.problems
        assert message in problem.message
        assert problem.fix == fix


def test_environment_gives_defaults_and_options_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDER_CONTRACTS_RUNNER", "local")
    monkeypatch.setenv("BUILDER_CONTRACTS_DEADLINE", "7")
    options = parse(CHECK, {}, cwd=tmp_path)
    assert (options.runner, options.deadline) == ("local", 7)
    assert parse(CHECK, {"runner": "docker"}, cwd=tmp_path).runner == "docker"
