"""builder-contracts workflows: judge a consumer's workflows against the classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from builder_contracts.cli.options import table_options
from builder_contracts.cli.truth import apply_baseline, report_checkout, report_options, requests_of
from builder_contracts.run.options import WORKFLOWS, parse


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@table_options(WORKFLOWS)
@report_options
def workflows(
    path: Path, output: Path | None, baseline: Path | None, write_baseline: bool, **values: Any
) -> None:
    """Check the workflows of a repository that uses the platform's runners.

    PATH is the repository root (default: current directory). Checks that labels exist, jobs need only what their
    class promises, local actions exist, and cache addresses match the deployment. Contracts of classes are enough;
    platform contracts add clauses.

    \b
    Examples:
      builder-contracts workflows ../my-project
      builder-contracts workflows --checkout my-org/actions=../actions
      builder-contracts workflows --waivers waivers.yaml
      builder-contracts workflows --report sarif=workflows.sarif
    """
    from builder_contracts.truth.other_checkouts import given_checkouts
    from builder_contracts.truth.platform import with_waivers
    from builder_contracts.truth.session import load
    from builder_contracts.truth.verdicts import CONSUMER, judge

    options = parse(WORKFLOWS, values, cwd=Path.cwd())
    requests = requests_of(options.reports, options.report_format, output)
    platform, classes = load(Path(values["contracts_directory"] or "contracts"), options.settings)
    if values["waivers"]:
        platform = with_waivers(platform, Path(values["waivers"]), CONSUMER)
    judgement = judge(path, platform, classes, only=CONSUMER, others=given_checkouts(values["checkouts"]))
    judgement = apply_baseline(judgement, baseline, write=write_baseline)
    raise click.exceptions.Exit(
        report_checkout(
            judgement, requests, command="workflows", strict=options.strict, verbose=options.verbose
        )
    )
