"""builder-contracts validate: are the contracts well formed?"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from builder_contracts.cli.paths import contract_files
from builder_contracts.contract.loading import expired, load_all
from builder_contracts.errors import InputError, printable
from builder_contracts.prove.canary import definition as canary
from builder_contracts.services import role_checks


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--list", "list_clauses", is_flag=True, help="Print the id of every clause, with its promise.")
@click.option("--json", "as_json", is_flag=True, help="Print clauses as JSON, one object a line.")
def validate(paths: tuple[Path, ...], list_clauses: bool, as_json: bool) -> None:
    """Check that contracts are well formed and their waivers not expired, without looking at any runner.

    PATHS are contract files or folders; ./contracts when left out. Environments, cache roles and canaries beside them
    are read as well. Needs neither Docker nor network.

    \b
    Examples:
      builder-contracts validate
      builder-contracts validate --list contracts/tinyland-nix.yaml
    """
    contracts = load_all(contract_files(paths))
    wrong = [*canary.check(contracts), *expired(contracts, datetime.now(UTC).date())]
    for folder in sorted({Path(contract.source.file).parent for contract in contracts}):
        wrong += role_checks.check(
            folder, [each for each in contracts if Path(each.source.file).parent == folder]
        )
    if wrong:
        raise InputError(wrong)
    for contract in contracts:
        if as_json:
            for clause in contract.clauses:
                entry = {"clause": clause.id, "promised": clause.promise.text, "source": str(clause.source)}
                click.echo(json.dumps(entry))
            continue
        click.echo(
            f"{contract.source.file}: {contract.name}, {len(contract.clauses)} clauses, {contract.digest[:19]}"
        )
        if list_clauses:
            for clause in contract.clauses:
                click.echo(printable(f"  {clause.local_id:<50} {clause.promise.text}"))
