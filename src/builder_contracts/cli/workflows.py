"""builder-contracts workflows: judge a consumer's workflows against the classes."""

from __future__ import annotations

from pathlib import Path

import click

from builder_contracts.cli.truth import FORMAT, report_checkout


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option("--contracts", type=click.Path(path_type=Path), default=Path("contracts"), show_default=True, metavar="DIR",
              help="Class contracts, with platform contracts in DIR/platform.")  # fmt: skip
@click.option("--report", multiple=True, metavar="FORMAT[=FILE]",
              help="Write a report to FILE, or to standard output (repeatable).")  # fmt: skip
@click.option("--format", "form", type=FORMAT, help="Print this report to standard output.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Also print kept clauses and those a checkout cannot prove."
)
def workflows(path: Path, contracts: Path, report: tuple[str, ...], form: str | None, verbose: bool) -> None:
    """Check the workflows of a repository that uses the platform's runners.

    PATH is the repository root (default: current directory). Checks that labels exist, jobs need only what their
    class promises, local actions exist, and cache addresses match the deployment.

    \b
    Examples:
      builder-contracts workflows ../my-project
      builder-contracts workflows --report sarif=workflows.sarif
    """
    from builder_contracts.reporting.registry import report_requests
    from builder_contracts.truth.session import load
    from builder_contracts.truth.verdicts import CONSUMER, judge

    requests = report_requests(report, Path.cwd(), form="terminal" if form == "text" else form)
    platform, classes = load(contracts)
    judgement = judge(path, platform, classes, only=CONSUMER)
    raise click.exceptions.Exit(
        report_checkout(judgement, requests, command="workflows", strict=False, verbose=verbose)
    )
