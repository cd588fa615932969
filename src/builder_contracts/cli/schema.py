"""builder-contracts schema: print a JSON Schema."""

from __future__ import annotations

import json

import click

from builder_contracts.contract import schemas
from builder_contracts.run.options import usage_error


def _suggest(_: click.Context, __: click.Parameter, typed: str) -> list[str]:
    """Names of schemas for the shell's completion."""
    return [name for name in schemas.names() if name.startswith(typed)]


@click.command("schema")
@click.argument("name", default="builder-class", shell_complete=_suggest)
def schema_command(name: str) -> None:
    """Print a JSON Schema (draft 2020-12) for editors and other tools.

    NAME is builder-class (default), builder-base, environment, canary or another document that people write, or
    verdict, evidence or answer, which commands print. A wrong name lists all.

    An editor completes and explains every field of a contract that begins with
    '# yaml-language-server: $schema=../.schemas/builder-class.json'.

    \b
    Examples:
      mkdir -p .schemas && builder-contracts schema > .schemas/builder-class.json
      builder-contracts schema verdict | jq '.properties.outcome'
    """
    if name not in schemas.names():
        guess = schemas.nearest(name, schemas.names())
        fix = f"did you mean {guess}?" if guess else f"known schemas: {', '.join(schemas.names())}"
        raise usage_error(f"unknown schema {name!r}", fix)
    click.echo(json.dumps(schemas.load(name), indent=2, ensure_ascii=False))
