"""builder-contracts validate: check that contracts are well formed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from builder_contracts.cli.options import ContractsPath, table_options
from builder_contracts.contract.loading import expired, load_all
from builder_contracts.errors import InputError, printable
from builder_contracts.prove.canary import definition as canary
from builder_contracts.run.inputs import contract_files
from builder_contracts.run.options import VALIDATE, settings_of
from builder_contracts.services import role_checks


@click.command()
@click.argument("paths", nargs=-1, type=ContractsPath())
@click.option("--list", "list_clauses", is_flag=True, help="Print every clause ID with its promise.")
@table_options(VALIDATE)
def validate(
    paths: tuple[Path, ...],
    contracts: tuple[str, ...],
    settings: tuple[str, ...],
    list_clauses: bool,
    form: str,
) -> None:
    """Check that contracts are well formed and no waiver has expired, without starting a runner.

    PATHS are contract files or directories (default: ./contracts). Also reads the environments, cache roles and
    canaries next to them. Needs no Docker and no network. JSON is one object per line.

    \b
    Examples:
      builder-contracts validate
      builder-contracts validate --list contracts/tinyland-nix.yaml
    """
    loaded = load_all(contract_files((*paths, *map(Path, contracts))), settings_of(VALIDATE, settings))
    problems = [*canary.check(loaded), *expired(loaded, datetime.now(UTC).date())]
    for folder in sorted({Path(contract.source.file).parent for contract in loaded}):
        beside = [contract for contract in loaded if Path(contract.source.file).parent == folder]
        problems += role_checks.check(folder, beside)
    if problems:
        raise InputError(problems)
    for contract in loaded:
        if form == "json":
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
