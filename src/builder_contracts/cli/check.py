"""builder-contracts check: perform a run and print its verdicts as they come."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder_contracts.cli.options import table_options
from builder_contracts.contract.files import current_directory
from builder_contracts.errors import ExitCode
from builder_contracts.reporting.registry import open_reports, report_requests, require_attestable, signer
from builder_contracts.reporting.stream import Reports, RunInfo, RunSummary
from builder_contracts.reporting.terminal import painter
from builder_contracts.reporting.vantages import as_data, comparison
from builder_contracts.run import last_failed
from builder_contracts.run.exit_status import after_removal, exit_code, fails, interrupted_by
from builder_contracts.run.inputs import Inputs, load_inputs
from builder_contracts.run.options import CHECK, RunOptions, parse, usage_error, vantages
from builder_contracts.run.progress import Progress
from builder_contracts.run.saved_facts import SavedRun, load
from builder_contracts.run.selection import Selected, select
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.verdict import Verdict

if TYPE_CHECKING:
    from builder_contracts.run.run import Run


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
      builder-contracts check --facts facts --max-age 26h
      builder-contracts check --builder tinyland-nix --runner docker --runner kubernetes --pod pod.yaml
    """
    options = parse(CHECK, values, cwd=current_directory(), paths=paths)
    requests = report_requests(
        options.reports, options.cwd,
        form=options.report_format, evidence=options.evidence, junitxml=options.junitxml,
    )  # fmt: skip
    if options.saved_facts is not None and options.more_runners:
        raise usage_error("--facts with several --runner", "leave --runner out: saved facts have their own")
    plans = [_plan(alone) for alone in vantages(options)]
    _, inputs, selection = plans[0]
    for problem in inputs.unreadable:
        click.echo(f"warning: {problem}", err=True)
    require_attestable(
        requests, [selected.contract.name for selected in selection], [alone.runner for alone, *_ in plans]
    )
    sign = signer(options.cwd / options.sign_key if options.sign_key else None, requests)
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
        contextlib.ExitStack() as stack,
    ):
        runs = {plan[0].runner: _begin(*plan) for plan in plans}
        for run in runs.values():
            stack.enter_context(run)
        first = runs[options.runner]
        promised = {contract.name: len(contract.clauses) for contract in inputs.contracts}
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        reports.begin(RunInfo(first.id, "check", options.cwd, started_at, promised=promised))
        judged, interruption = _judge(runs, options, reports)
        left = sum((run.close() for run in runs.values()), Leftovers())
        verdicts = [verdict for of_vantage in judged.values() for verdict in of_vantage]
        failed = [verdict.clause for verdict in verdicts if fails(verdict, strict=options.strict)]
        last_failed.save(options.cwd, judged=[verdict.clause for verdict in verdicts], failed=failed)
        code = interrupted_by(interruption) if interruption else _code(judged, strict=options.strict)
        code = after_removal(code, left)
        seconds, interrupted = time.monotonic() - started, interruption is not None
        code = reports.end(
            RunSummary(
                code,
                seconds,
                interrupted=interrupted,
                notes=(*(first.notes if isinstance(first, SavedRun) else ()), *comparison(judged)),
                details={"vantages": as_data(judged)} if len(judged) > 1 else {},
            )
        )
    for failure in (*reports.failures, *left.lines):
        click.echo(f"error: {failure}", err=True)
    if interruption:
        click.echo(f"{interrupted_by(interruption).name.lower()}: judged {len(verdicts)} clauses", err=True)
    raise click.exceptions.Exit(code)


def _plan(options: RunOptions) -> tuple[RunOptions, Inputs, list[Selected]]:
    """The inputs and the selection of one run. Raises InputError."""
    inputs = load_inputs(options)
    return options, inputs, select(inputs, options, last_failed.load(options.cwd))


def _judge(
    runs: Mapping[str, Run | SavedRun], options: RunOptions, reports: Reports
) -> tuple[dict[str, list[Verdict]], KeyboardInterrupt | None]:
    """The verdicts of each vantage, one run after the other, and what interrupted them."""
    judged: dict[str, list[Verdict]] = {}
    try:
        for vantage, run in runs.items():
            of_vantage = judged[vantage] = []
            for verdict in run.verdicts():
                # The ID of its own run: a history keeps those of several vantages apart.
                origin = dataclasses.replace(verdict.origin, run=run.id)
                of_vantage.append(reports.add(dataclasses.replace(verdict, origin=origin)))
                if options.exit_first and fails(verdict, strict=options.strict):
                    return judged, None
            run.close()
    except KeyboardInterrupt as signal:
        return judged, signal
    return judged, None


def _code(judged: Mapping[str, Sequence[Verdict]], *, strict: bool) -> ExitCode:
    """The exit code of all runs together. A vantage that could not be had is no success of another one."""
    codes = [exit_code(verdicts, strict=strict) for verdicts in judged.values()]
    order = (ExitCode.BROKEN, ExitCode.CANNOT_RUN, ExitCode.UNPROVEN, ExitCode.NOTHING_SELECTED)
    return next((code for code in order if code in codes), ExitCode.KEPT)


def _begin(options: RunOptions, inputs: Inputs, selection: Sequence[Selected]) -> Run | SavedRun:
    """The run that yields the verdicts; nothing is started yet. Raises InputError."""
    if options.saved_facts is None:
        if options.max_age is not None:
            raise usage_error(
                "--max-age without --facts", "add --facts PATH, or see 'verify' for an attestation"
            )
        # It imports the Docker SDK, which takes longer than to judge a class on saved facts.
        from builder_contracts.run.run import Run

        return Run(options, inputs, selection, Progress(_show))
    contracts = [selected.contract for selected in selection]
    facts = load(options.cwd / options.saved_facts, contracts)
    return SavedRun(facts, selection, max_age=options.max_age, environment=inputs.bindings.environment)


def _show(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(f"  {line}", err=True)
