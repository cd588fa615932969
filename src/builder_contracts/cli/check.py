"""builder-contracts check: perform a run and print its verdicts as they come."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from builder_contracts.cli.options import table_options
from builder_contracts.contract.files import current_directory
from builder_contracts.reporting.registry import open_reports, report_requests, require_attestable, signer
from builder_contracts.reporting.stream import RunInfo, RunSummary
from builder_contracts.reporting.terminal import painter
from builder_contracts.run import last_failed
from builder_contracts.run.exit_status import after_removal, exit_code, fails, interrupted_by
from builder_contracts.run.inputs import load_inputs
from builder_contracts.run.options import CHECK, parse
from builder_contracts.run.progress import Progress
from builder_contracts.run.run import Run
from builder_contracts.run.selection import select
from builder_contracts.verdict import Verdict


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@table_options(CHECK)
def check(paths: tuple[Path, ...], **values: Any) -> None:
    """Observe each class's runner and check every clause of its contract.

    PATHS are contract files or directories (default: ./contracts).

    \b
    Examples:
      builder-contracts check
      builder-contracts check --builder tinyland-nix --image tinyland-nix=ghcr.io/me/runner:1 --pull
      builder-contracts check -k 'toolchain/* and not xz' --report junit=junit.xml
    """
    options = parse(CHECK, values, cwd=current_directory(), paths=paths)
    requests = report_requests(
        options.reports, options.cwd,
        form=options.report_format, evidence=options.evidence, junitxml=options.junitxml,
    )  # fmt: skip
    inputs = load_inputs(options)
    for problem in inputs.unreadable:
        click.echo(f"warning: {problem}", err=True)
    selection = select(inputs, options, last_failed.load(options.cwd))
    require_attestable(requests, [selected.contract.name for selected in selection], options.runner)
    sign = signer(options.cwd / options.sign_key if options.sign_key else None, requests)
    verdicts: list[Verdict] = []
    interruption: KeyboardInterrupt | None = None
    started = time.monotonic()
    with (
        open_reports(
            requests,
            stdout=sys.stdout,
            stderr=sys.stderr,
            paint=painter(sys.stdout),
            verbose=options.verbose,
            sign=sign,
        ) as reports,
        Run(options, inputs, selection, Progress(_show)) as run,
    ):
        promised = {contract.name: len(contract.clauses) for contract in inputs.contracts}
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        reports.begin(RunInfo(run.id, "check", options.cwd, started_at, promised=promised))
        try:
            for verdict in run.verdicts():
                verdicts.append(reports.add(verdict))
                if options.exit_first and fails(verdict, strict=options.strict):
                    break
        except KeyboardInterrupt as signal:
            interruption = signal
        left = run.close()
        failed = [verdict.clause for verdict in verdicts if fails(verdict, strict=options.strict)]
        last_failed.save(options.cwd, judged=[verdict.clause for verdict in verdicts], failed=failed)
        code = interrupted_by(interruption) if interruption else exit_code(verdicts, strict=options.strict)
        code = after_removal(code, left)
        code = reports.end(RunSummary(code, time.monotonic() - started, interrupted=interruption is not None))
    for failure in (*reports.failures, *left.lines):
        click.echo(f"error: {failure}", err=True)
    if interruption:
        click.echo(f"{interrupted_by(interruption).name.lower()}: judged {len(verdicts)} clauses", err=True)
    raise click.exceptions.Exit(code)


def _show(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(f"  {line}", err=True)
