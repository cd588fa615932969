"""builder-contracts lock: take in what sources of contracts have now."""

from __future__ import annotations

import click

from builder_contracts.cli.options import LOCK_FILE, table_options
from builder_contracts.contract.files import current_directory
from builder_contracts.errors import ExitCode
from builder_contracts.run.options import LOCK
from builder_contracts.sources import lock as locks
from builder_contracts.sources.resolution import renew


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@table_options(LOCK)
@click.pass_context
def lock(context: click.Context, sources: tuple[str, ...]) -> None:
    """Lock the content of contracts from elsewhere, as it is now.

    Fetches each SOURCE, or everything in the lock, and writes its digest to contracts.lock in the current directory
    (--lock or BUILDER_CONTRACTS_LOCK names another file). Commands with --contracts SOURCE then use exactly this content.

    \b
    Examples:
      builder-contracts lock git+https://github.com/my-org/runners@v1
      builder-contracts lock
      builder-contracts lock --lock ci/contracts.lock
    """
    cwd = current_directory()
    file = locks.path(cwd, context.meta[LOCK_FILE])
    chosen = sources or tuple(locks.load(file))
    for text in chosen:
        address, before, entry = renew(text, cwd, file)
        if before == entry:
            click.echo(f"unchanged  {address}  {entry.resolved}")
        else:
            was = f"  (was {before.resolved})" if before else ""
            click.echo(f"locked     {address}  {entry.resolved}{was}")
    if not chosen:
        click.echo(f"{file.name} has no sources; name one", err=True)
        raise click.exceptions.Exit(ExitCode.NOTHING_SELECTED)
