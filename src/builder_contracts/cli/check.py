"""builder-contracts check: perform a run and print its verdicts as they come."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from builder_contracts.cli.options import ContractsPath, table_options
from builder_contracts.contract.files import current_directory
from builder_contracts.reporting.registry import open_reports, report_requests, require_attestable, signer
from builder_contracts.reporting.stream import RunInfo, RunSummary
from builder_contracts.reporting.terminal import painter
from builder_contracts.reporting.vantages import as_data, comparison
from builder_contracts.run import last_failed
from builder_contracts.run.exit_status import after_removal, fails, interrupted_by
from builder_contracts.run.inputs import load_inputs
from builder_contracts.run.options import CHECK, parse
from builder_contracts.run.progress import Progress
from builder_contracts.run.selection import select
from builder_contracts.run.vantages import Vantages, worst_code
from builder_contracts.verdict import Verdict


@click.command()
@click.argument("paths", nargs=-1, type=ContractsPath())
@table_options(CHECK)
def check(paths: tuple[Path, ...], **values: Any) -> None:
    """Observe each class's runner and check every clause of its contract.

    PATHS are contract files or directories (default: ./contracts).

    \b
    Examples:
      builder-contracts check
      builder-contracts check --builder tinyland-nix --image tinyland-nix=ghcr.io/me/runner:1 --pull
      builder-contracts check -k 'toolchain/* and not xz' --report junit=junit.xml
      builder-contracts check --facts facts --max-age 26h
      builder-contracts check --builder tinyland-nix --runner docker --runner kubernetes --pod pod.yaml
    """
    options = parse(CHECK, values, cwd=current_directory(), paths=paths)
    requests = report_requests(
        options.reports, options.cwd,
        form=options.report_format, evidence=options.evidence, junitxml=options.junitxml,
    )  # fmt: skip
    inputs = load_inputs(options)
    selection = select(inputs, options, last_failed.load(options.cwd))
    for problem in inputs.unreadable:
        click.echo(f"warning: {problem}", err=True)
    require_attestable(requests, [selected.contract.name for selected in selection], options.runners)
    sign = signer(options.cwd / options.sign_key if options.sign_key else None, requests)
    paint = painter(sys.stdout)
    started = time.monotonic()
    with (
        closing(Vantages(options, inputs, selection, Progress(_show))) as runs,
        open_reports(
            requests, stdout=sys.stdout, stderr=sys.stderr, paint=paint, verbose=options.verbose, sign=sign
        ) as reports,
    ):
        promised = {contract.name: len(contract.clauses) for contract in inputs.contracts}
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        reports.begin(RunInfo(runs.id, "check", options.cwd, started_at, promised=promised))
        verdicts: list[Verdict] = []
        interruption = None
        try:
            for verdict in runs.verdicts():
                verdicts.append(reports.add(verdict))
                if options.exit_first and fails(verdict, strict=options.strict):
                    break
        except KeyboardInterrupt as signal:
            interruption = signal
        left = runs.close()
        failed = [verdict.clause for verdict in verdicts if fails(verdict, strict=options.strict)]
        last_failed.save(options.cwd, judged=[verdict.clause for verdict in verdicts], failed=failed)
        judged = runs.by_runner(verdicts)
        code = interrupted_by(interruption) if interruption else worst_code(judged, strict=options.strict)
        code = reports.end(
            RunSummary(
                after_removal(code, left),
                time.monotonic() - started,
                interrupted=interruption is not None,
                notes=(*runs.notes, *comparison(judged)),
                details={"vantages": as_data(judged)} if len(judged) > 1 else {},
            )
        )
    for failure in (*reports.failures, *left.lines):
        click.echo(f"error: {failure}", err=True)
    if interruption:
        click.echo(f"{interrupted_by(interruption).name.lower()}: judged {len(verdicts)} clauses", err=True)
    raise click.exceptions.Exit(code)


def _show(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(f"  {line}", err=True)
