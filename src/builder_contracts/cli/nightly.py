"""builder-contracts nightly: the steps that a scheduled CI job runs around the checks."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder_contracts.cli.dashboard import EXPECT, STALE, load_promises, warn
from builder_contracts.cli.history import HISTORY
from builder_contracts.cli.history import add as history_add
from builder_contracts.cli.options import ContractsPath, dashboard_settings
from builder_contracts.contract.files import write
from builder_contracts.dashboard.history.postgres import ServerAddress
from builder_contracts.errors import BuilderContractsError, printable

if TYPE_CHECKING:
    from builder_contracts.dashboard.analysis.history_report import HistoryReport
    from builder_contracts.dashboard.history.series import HistorySnapshot
    from builder_contracts.dashboard.history.store import History

_SITE = click.option("--site", default="", metavar="URL", help="Dashboard URL, for links.")
_CONTRACTS = click.option(
    "--contracts",
    type=ContractsPath(exists=True),
    metavar="PATH",
    help="Current contracts: ignore clauses they no longer contain.",
)
_FILE = "history.db"


@click.group(name="nightly")
def nightly() -> None:
    """Steps that a scheduled CI job runs around the checks.

    Reads the token from GITHUB_TOKEN in GitHub Actions, from GITLAB_TOKEN in GitLab CI.

    \b
    Examples:
      builder-contracts nightly placement --out placement.json
      builder-contracts nightly restore --history history.db
      builder-contracts nightly add --history history.db --reports reports
      builder-contracts nightly summary --history history.db >> "$GITHUB_STEP_SUMMARY"
      builder-contracts nightly issues --history history.db --dry-run
    """


@nightly.command()
@click.option("--out", required=True, metavar="FILE", type=click.Path(path_type=Path), help="Output file.")
def placement(out: Path) -> None:
    """Save GitHub's record of the current job: its labels and its runner.

    The local runner reads the file (BUILDER_CONTRACTS_PLACEMENT=FILE) to establish the
    class of this machine. The token needs 'actions: read'.
    """
    from builder_contracts.forge.client import ForgeError, connect_github

    env = os.environ
    name = env.get("RUNNER_NAME", "")
    running_jobs = [
        job
        for job in connect_github().jobs(env.get("GITHUB_RUN_ID", ""), env.get("GITHUB_RUN_ATTEMPT") or "1")
        if job.get("runner_name") == name and job.get("status") == "in_progress"
    ]
    if not name or len(running_jobs) != 1:
        raise ForgeError(
            f"expected one job of this run in progress on runner {name or '(no RUNNER_NAME)'}, "
            f"GitHub lists {len(running_jobs)}"
        )
    record = {
        "labels": running_jobs[0].get("labels", []),
        "runner_name": name,
        "runner_group": running_jobs[0].get("runner_group_name") or "",
        "job": running_jobs[0].get("html_url", ""),
    }
    _write_file(out, (json.dumps(record, indent=2) + "\n").encode())
    click.echo(f"{out}: {name} runs this job with labels {', '.join(record['labels'])}")


@nightly.command()
@HISTORY
@click.option("--start-anew", is_flag=True, help="Start a new history if the previous one has expired.")
def restore(file: Path | ServerAddress, start_anew: bool) -> None:
    """Download the history artifact that the last nightly run stored.

    Only runs of this repository's default branch count. A missing history is fine on the first night, an
    error if one was stored and is gone. The token needs 'actions: read' (GitLab: api).
    """
    from builder_contracts.dashboard.history.store import History
    from builder_contracts.forge.client import connect_forge

    if isinstance(file, ServerAddress):
        raise BuilderContractsError(f"{file} keeps what it holds: leave this step out")
    if file.exists():
        raise BuilderContractsError(f"{file} already exists: remove it, or skip this step")
    stored = connect_forge().last_history(_FILE, start_anew=start_anew)
    if stored is None:
        click.echo("no earlier history; starting from scratch")
        return
    _write_file(file, stored.content)
    try:
        with History(file, write=False) as store:
            size = store.size()
    except BuilderContractsError:
        file.unlink()
        raise
    click.echo(f"{file}: {size.results:,} results from {size.runs:,} runs, stored {stored.created}")


@nightly.command()
@HISTORY
@click.option(
    "--reports",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Directory with the reports of the night's jobs.",
)
@click.pass_context
def add(context: click.Context, file: Path | ServerAddress, reports: Path) -> None:
    """Add a night: every JUnit file and evidence.jsonl under a directory.

    An empty or missing directory is a warning, not an error: the pool may be down, and the dashboard must
    show that. The history file exists afterwards in any case. As with 'history add', unusable files are
    skipped and the exit code is 3.
    """
    from builder_contracts.dashboard.history.store import History

    # Creates a missing file.
    History(file).close()
    junit, evidence = ((reports,) if any(reports.rglob(name)) else () for name in ("*.xml", "evidence.jsonl"))
    if not junit and not evidence:
        warn(f"no class reported: {reports} contains no .xml and no evidence.jsonl")
        return
    context.invoke(history_add, file=file, files=junit, evidence=evidence)


@nightly.command()
@HISTORY
@_SITE
@STALE
@EXPECT
@_CONTRACTS
@dashboard_settings
def summary(
    file: Path | ServerAddress,
    site: str,
    stale_days: float,
    expected: tuple[str, ...],
    contracts: Path | None,
) -> None:
    """Print a Markdown summary of the night; warn of each class without a report."""
    from builder_contracts.dashboard.history.store import History
    from builder_contracts.dashboard.nightly.job_summary import format_summary
    from builder_contracts.dashboard.nightly.night_warnings import list_warnings

    with History(file, write=False) as store:
        report, book = _analyze(store, stale_days, expected, contracts)
        click.echo(format_summary(report, book, site))
    for warning in list_warnings(report):
        warn(warning)


@nightly.command()
@HISTORY
@_SITE
@STALE
@EXPECT
@_CONTRACTS
@dashboard_settings
@click.option("--dry-run", is_flag=True, help="Print planned changes without making them.")
def issues(
    file: Path | ServerAddress,
    site: str,
    stale_days: float,
    expected: tuple[str, ...],
    contracts: Path | None,
    dry_run: bool,
) -> None:
    """Open, update and close one issue per class to match the history.

    An issue is about broken clauses, or a class that did not report. Idempotent. Closes an issue once the class
    reports and each of its clauses is kept again, waived or withdrawn. The token needs
    'issues: write' (GitLab: api). Considers only issues by its own user: github-actions[bot] on GitHub, or
    BUILDER_CONTRACTS_AUTHOR.
    """
    from builder_contracts.dashboard.history.store import History
    from builder_contracts.dashboard.nightly.breakage_issues import plan_actions
    from builder_contracts.dashboard.nightly.night_warnings import describe_unconfirmed
    from builder_contracts.forge.client import connect_forge

    client = connect_forge()
    with History(file, write=False) as store:
        report, book = _analyze(store, stale_days, expected, contracts)
        actions = plan_actions(report, book, client.open_issues(), site)
    for action in actions:
        if dry_run:
            click.echo(
                printable(f"would {type(action).__name__.lower()} {getattr(action, 'title', '') or action}")
            )
        else:
            click.echo(client.apply(action))
    if not actions:
        click.echo("issues are up to date")
    for builder in report.classes:
        if sentence := describe_unconfirmed(builder):
            warn(f"{builder.builder} ({builder.environment}): {sentence}; no issue")


def _analyze(
    store: History, stale_days: float, expected: tuple[str, ...], contracts: Path | None
) -> tuple[HistoryReport, HistorySnapshot]:
    from builder_contracts.dashboard.analysis.history_report import analyze_history
    from builder_contracts.dashboard.analysis.status import Policy
    from builder_contracts.dashboard.history.series import load_snapshot

    book = load_snapshot(store)
    policy = Policy(stale_days)
    promises = load_promises(contracts)
    report = analyze_history(
        book,
        round(time.time() * 1000),
        policy,
        promises.clauses,
        expected=expected,
        complete=promises.complete,
    )
    return report, book


def _write_file(file: Path, content: bytes) -> None:
    try:
        write(file, content)
    except OSError as error:
        raise BuilderContractsError(f"cannot write {file}: {error.strerror}") from None
