"""Click options made from the table of options, and groups of options that most commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from builder_contracts.contract.files import current_directory
from builder_contracts.contract.loading import load_all
from builder_contracts.errors import InputError
from builder_contracts.run.inputs import contract_files
from builder_contracts.run.options import CHECK, DASHBOARD, Option, options_of, settings_of
from builder_contracts.sources.address import is_elsewhere

SETTINGS = "builder_contracts.settings"
"""In the context of a command: the variables that ``--set`` gave it."""

LOCK_FILE = "builder_contracts.lock"
"""In the context of a command: the file that ``--lock`` named, or None."""

Command = TypeVar("Command", bound=Callable[..., Any])


class ContractsPath(click.Path):
    """A file or a folder of contracts; one that is elsewhere is fetched, or taken from the cache, by its lock."""

    def __init__(self, *, exists: bool = False) -> None:
        super().__init__(exists=exists, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and is_elsewhere(value) and not (ctx and ctx.resilient_parsing):
            # What reads archives takes as long to import as a command.
            from builder_contracts.sources.resolution import local_path

            chosen = ctx.meta.get(LOCK_FILE) if ctx else None
            value = local_path(value, current_directory(), lambda line: click.echo(line, err=True), chosen)
        return super().convert(value, param, ctx)


class TableOption(click.Option):
    """An option whose help does not show its ``aliases``."""

    def __init__(self, *arguments: Any, aliases: tuple[str, ...] = (), **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.aliases = aliases

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        every, self.opts = self.opts, [flag for flag in self.opts if flag not in self.aliases]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = every


def table_options(face: str) -> Callable[[Command], Command]:
    """A decorator that gives a command the options of a face.

    A command with ``--format`` also takes ``--json``, as it was spelled before.
    """

    def decorate(command: Command) -> Command:
        decorated: Any = command
        for option in reversed(options_of(face)):
            if option.name == "form":
                decorated = _with_format(decorated, option)
            else:
                decorated = _click_option(option)(decorated)
        return cast(Command, decorated)

    return decorate


def _click_option(option: Option) -> Callable[[Any], Any]:
    return click.option(*option.flags, *option.aliases, option.name, cls=TableOption, **_settings(option))


def _with_format(command: Callable[..., Any], option: Option) -> Callable[..., Any]:
    @functools.wraps(command)
    def with_format(*arguments: Any, as_json: bool, **values: Any) -> Any:
        form = "json" if as_json else values["form"] or option.default
        values["form"] = form if form is None else option.read(form)
        return command(*arguments, **values)

    as_json: Any = click.option("--json", "as_json", is_flag=True, hidden=True)(with_format)
    return cast(Callable[..., Any], _click_option(option)(as_json))


def _settings(option: Option) -> dict[str, Any]:
    settings: dict[str, Any] = {"aliases": option.aliases, "help": option.help_with_notes}
    if option.is_flag:
        return {**settings, "is_flag": True}
    if option.flags == ("--contracts",):
        settings["type"] = ContractsPath()
    if option.name == "lock":
        # It is read before the contracts that it locks.
        settings |= {"is_eager": True, "expose_value": False, "callback": _keep_lock}
    return {
        **settings,
        "metavar": option.metavar or "|".join(option.choices),
        "multiple": option.repeatable,
        "shell_complete": _completion(option),
    }


def _keep_lock(context: click.Context, _: click.Parameter, file: str | None) -> None:
    context.meta[LOCK_FILE] = Path(file) if file else None


def dashboard_settings(command: Command) -> Command:
    """A decorator: ``--set`` for a command that reads contracts only beside its history."""

    def keep(context: click.Context, _: click.Parameter, texts: tuple[str, ...]) -> None:
        context.meta[SETTINGS] = settings_of(DASHBOARD, texts)

    (option,) = (option for option in options_of(DASHBOARD) if option.name == "settings")
    decorate = click.option(
        *option.flags, **_settings(option), cls=TableOption, expose_value=False, callback=keep
    )
    return decorate(command)


def _completion(option: Option) -> Callable[[click.Context, click.Parameter, str], list[str]] | None:
    """The values that the shell offers; ``parse`` reports errors in all others."""
    if option.completes == "builders":
        return builders
    words = option.choices
    return lambda _, __, typed: [word for word in words if word.startswith(typed)]


def builders(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Names of classes for the shell's completion; nothing if the contracts cannot be read."""
    paths = [Path(path) for path in context.params.get("contracts") or context.params.get("paths") or ()]
    try:
        settings = settings_of(CHECK, context.params.get("settings") or ())
        names = [contract.name for contract in load_all(contract_files(paths), settings)]
    except InputError:
        names = []
    return [name for name in names if name.startswith(typed)]
