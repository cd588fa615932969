"""builder-contracts init: write contracts to start from."""

from __future__ import annotations

from pathlib import Path

import click

from builder_contracts.contract.files import write
from builder_contracts.errors import BuilderContractsError, printable


@click.command()
@click.option(
    "--platform",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Directory of contracts to create.",
)
@click.option(
    "--repo",
    default=Path(),
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Repository that deploys the runners (default: current directory).",
)
def init(folder: Path, repo: Path) -> None:
    """Write commented contracts for a platform that has none.

    Reads the scale sets that PATH deploys. Writes a class for each of them and the facts that a checkout can be
    compared with. Existing files are kept.

    \b
    Example:
      builder-contracts init --platform contracts --repo ../cluster
    """
    from builder_contracts.truth.platform_start import start_files

    for name, content in start_files(repo).items():
        path = folder / name
        if path.exists():
            click.echo(f"kept     {printable(str(path))}")
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, content.encode())
        except OSError as error:
            raise BuilderContractsError(f"cannot write {path}: {error.strerror}") from None
        click.echo(f"written  {printable(str(path))}")
    click.echo(
        f"next: builder-contracts truth --repo {printable(str(repo))} --contracts {printable(str(folder))}"
    )
