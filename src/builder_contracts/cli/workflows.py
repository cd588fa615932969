"""builder-contracts workflows: judge a consumer's workflows against the classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from builder_contracts.cli.options import table_options
from builder_contracts.cli.truth import report_checkout
from builder_contracts.run.options import WORKFLOWS, parse


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@table_options(WORKFLOWS)
def workflows(path: Path, **values: Any) -> None:
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

    options = parse(WORKFLOWS, values, cwd=Path.cwd())
    requests = report_requests(options.reports, options.cwd, form=options.report_format)
    platform, classes = load(Path(values["contracts_directory"] or "contracts"), options.settings)
    judgement = judge(path, platform, classes, only=CONSUMER)
    raise click.exceptions.Exit(
        report_checkout(judgement, requests, command="workflows", strict=False, verbose=options.verbose)
    )
