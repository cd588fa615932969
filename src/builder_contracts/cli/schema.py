"""builder-contracts schema: print a JSON Schema."""

from __future__ import annotations

import json

import click

from builder_contracts.contract import schemas
from builder_contracts.errors import InputError, Location, Problem


def _suggest(_: click.Context, __: click.Parameter, typed: str) -> list[str]:
    """Names of schemas for the shell's completion."""
    return [name for name in schemas.names() if name.startswith(typed)]


@click.command("schema")
@click.argument("name", default="builder-class", shell_complete=_suggest)
def schema_command(name: str) -> None:
    """Print a JSON Schema (draft 2020-12) for editors and other tools.

    NAME is builder-class (the default), builder-base, environment, or evidence, among others.

    \b
    Examples:
      builder-contracts schema > .schemas/builder-class.json
      builder-contracts schema environment
    """
    if name not in schemas.names():
        mend = f"schemas are {', '.join(schemas.names())}"
        raise InputError([Problem(Location("command line", 1), f"there is no schema {name!r}", mend)])
    click.echo(json.dumps(schemas.load(name), indent=2, ensure_ascii=False))
