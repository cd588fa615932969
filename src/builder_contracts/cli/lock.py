"""builder-contracts lock: take in what sources of contracts have now."""

from __future__ import annotations

import click

from builder_contracts.contract.files import current_directory
from builder_contracts.errors import ExitCode
from builder_contracts.sources import lock as locks
from builder_contracts.sources.resolution import renew


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
def lock(sources: tuple[str, ...]) -> None:
    """Lock the content of contracts from elsewhere, as it is now.

    Fetches each SOURCE, or everything in the lock, and writes its digest to contracts.lock in the current directory
    (BUILDER_CONTRACTS_LOCK names another file). Commands with --contracts SOURCE then use exactly this content.

    \b
    Examples:
      builder-contracts lock git+https://github.com/my-org/runners@v1
      builder-contracts lock
    """
    cwd = current_directory()
    chosen = sources or tuple(locks.load(locks.path(cwd)))
    for text in chosen:
        address, before, entry = renew(text, cwd)
        if before == entry:
            click.echo(f"unchanged  {address}  {entry.resolved}")
        else:
            was = f"  (was {before.resolved})" if before else ""
            click.echo(f"locked     {address}  {entry.resolved}{was}")
    if not chosen:
        click.echo(f"{locks.path(cwd).name} has no sources; name one", err=True)
        raise click.exceptions.Exit(ExitCode.NOTHING_SELECTED)
