"""builder-contracts workflows: judge a consumer's workflows against the classes."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option("--contracts", type=click.Path(path_type=Path), default=Path("contracts"), show_default=True, metavar="DIR",
              help="Class contracts, and those of the platform in DIR/platform.")  # fmt: skip
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "junit"]),
    default="text",
    show_default=True,
)
@click.option("-v", "--verbose", is_flag=True, help="Also what is kept, and what a checkout cannot show.")
def workflows(path: Path, contracts: Path, form: str, verbose: bool) -> None:
    """Judge the workflows of a repository that uses the platform's runners.

    PATH is the root of the repository; here when left out. Checks that labels exist, that jobs need only what
    their class promises, that local actions are there, and that caches are named as they are deployed.

    \b
    Examples:
      builder-contracts workflows ../my-project
      builder-contracts workflows --format sarif > workflows.sarif
    """
    from builder_contracts.cli.truth import render_judgement
    from builder_contracts.truth.session import exit_code, load
    from builder_contracts.truth.verdicts import CONSUMER, judge

    platform, classes = load(contracts)
    judgement = judge(path, platform, classes, only=CONSUMER)
    click.echo(render_judgement(judgement, form, verbose=verbose, colour=True), nl=False)
    raise click.exceptions.Exit(exit_code(judgement, strict=False))
