"""Pytest options made from the table of options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from builder_contracts.run.options import PYTEST, Option, options_of

if TYPE_CHECKING:
    import pytest

PREFIX = "builder_contracts_"
"""Plugins share one namespace for the values of their options."""


def add_options(parser: pytest.Parser) -> None:
    """Give pytest the options of its face."""
    group = parser.getgroup("builder contracts", "contracts of CI runner classes")
    for option in options_of(PYTEST):
        settings: dict[str, Any] = {"dest": PREFIX + option.name, "help": help_of(option), "default": None}
        if option.is_flag:
            settings["action"] = "store_true"
        else:
            settings["metavar"] = option.metavar or "|".join(option.choices)
            settings["action"] = "append" if option.repeatable else "store"
        group.addoption(*option.flags, **settings)


def values_of(config: pytest.Config) -> dict[str, Any]:
    """The values on the command line for each option of the table."""
    values = vars(config.option)
    return {option.name: values.get(PREFIX + option.name) for option in options_of(PYTEST)}


def help_of(option: Option) -> str:
    """The help of an option as pytest has it: no capital, no period."""
    text = option.help_with_notes
    return text[0].lower() + text[1:].removesuffix(".")


def rows() -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Flags, metavar and help of each option, for the documentation."""
    for option in options_of(PYTEST):
        metavar = "" if option.is_flag else option.metavar or "|".join(option.choices)
        yield option.flags, metavar, help_of(option)
