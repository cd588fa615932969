"""builder-contracts nightly: what a scheduled CI job does around the checks themselves."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder_contracts.cli.dashboard import STALE, promised
from builder_contracts.cli.history import HISTORY
from builder_contracts.cli.history import add as history_add
from builder_contracts.contract.files import write
from builder_contracts.errors import BuilderContractsError, printable

if TYPE_CHECKING:
    from builder_contracts.dashboard.analysis.history_report import Report
    from builder_contracts.dashboard.history.series import Book
    from builder_contracts.dashboard.history.store import History

_SITE = click.option("--site", default="", metavar="URL", help="The dashboard's address, for links.")
_CONTRACTS = click.option(
    "--contracts",
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="Contracts as promised today: what they no longer have counts no more.",
)
_FILE = "history.db"


@click.group(name="nightly")
def nightly() -> None:
    """What a scheduled CI job does around the checks themselves.

    In GitHub Actions the token is read from GITHUB_TOKEN, in GitLab CI from GITLAB_TOKEN.

    \b
    Examples:
      builder-contracts nightly placement --out placement.json
      builder-contracts nightly restore --history history.db
      builder-contracts nightly add --history history.db --reports reports
      builder-contracts nightly summary --history history.db >> "$GITHUB_STEP_SUMMARY"
      builder-contracts nightly issues --history history.db --dry-run
    """


@nightly.command()
@click.option(
    "--out", required=True, metavar="FILE", type=click.Path(path_type=Path), help="Where to write it."
)
def placement(out: Path) -> None:
    """Write down GitHub's own record of the job that runs here: its labels and its runner.

    The local runner reads it (BUILDER_CONTRACTS_PLACEMENT=FILE) to show which class this machine is of.
    The token needs the permission 'actions: read'.
    """
    from builder_contracts.dashboard.forge import ForgeError, github

    env = os.environ
    name = env.get("RUNNER_NAME", "")
    mine = [
        job
        for job in github().jobs(env.get("GITHUB_RUN_ID", ""), env.get("GITHUB_RUN_ATTEMPT") or "1")
        if job.get("runner_name") == name and job.get("status") == "in_progress"
    ]
    if not name or len(mine) != 1:
        raise ForgeError(
            f"GitHub knows {len(mine)} running jobs of this run on runner {name or '(no RUNNER_NAME)'}"
        )
    record = {
        "labels": mine[0].get("labels", []),
        "runner_name": name,
        "runner_group": mine[0].get("runner_group_name") or "",
        "job": mine[0].get("html_url", ""),
    }
    _write(out, (json.dumps(record, indent=2) + "\n").encode())
    click.echo(f"{out}: {name} runs this job for {', '.join(record['labels'])}")


@nightly.command()
@HISTORY
@click.option("--start-anew", is_flag=True, help="Begin a new history where the earlier one has expired.")
def restore(file: Path, start_anew: bool) -> None:
    """Bring back the history that the last night stored as an artifact of this repository.

    Only runs of the default branch of this repository itself count. That there is none yet is no error;
    that there was one and it is lost is. The token needs the permission 'actions: read' (GitLab: api).
    """
    from builder_contracts.dashboard.forge import forge
    from builder_contracts.dashboard.history.store import History

    if file.exists():
        raise BuilderContractsError(
            f"{file} is there already and would be replaced: remove it, or leave this out"
        )
    stored = forge().last_history(_FILE, start_anew=start_anew)
    if stored is None:
        click.echo("no earlier history: this is the first night")
        return
    _write(file, stored.content)
    try:
        with History(file, write=False) as store:
            size = store.size()
    except BuilderContractsError:
        file.unlink()
        raise
    click.echo(f"{file}: {size.results:,} results of {size.runs:,} runs, stored {stored.created}")


@nightly.command()
@HISTORY
@click.option(
    "--reports",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder with what the night's jobs stored.",
)
@click.pass_context
def add(context: click.Context, file: Path, reports: Path) -> None:
    """Add a night: every JUnit file and every evidence.jsonl below a folder.

    That nothing is there, nor the folder, is a warning and no error: the pool can be down, and then the
    dashboard must say so. The history is there afterwards in any case, so that it can be built. As in
    'history add' a file that cannot be used is left out, and makes the exit code 3.
    """
    from builder_contracts.dashboard.history.store import History

    # It is made where there is none.
    History(file).close()
    junit, evidence = ((reports,) if any(reports.rglob(name)) else () for name in ("*.xml", "evidence.jsonl"))
    if not junit and not evidence:
        annotation = "::warning::" if os.environ.get("GITHUB_ACTIONS") == "true" else "warning: "
        click.echo(f"{annotation}no class reported this night: {reports} has no .xml and no evidence.jsonl")
        return
    context.invoke(history_add, file=file, files=junit, evidence=evidence)


@nightly.command()
@HISTORY
@_SITE
@STALE
@_CONTRACTS
def summary(file: Path, site: str, stale_days: float, contracts: Path | None) -> None:
    """Print the night in Markdown."""
    from builder_contracts.dashboard.history.store import History
    from builder_contracts.dashboard.nightly.job_summary import format_summary

    with History(file, write=False) as store:
        told, book = _report(store, stale_days, contracts)
        click.echo(format_summary(told, book, site))


@nightly.command()
@HISTORY
@_SITE
@STALE
@_CONTRACTS
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def issues(file: Path, site: str, stale_days: float, contracts: Path | None, dry_run: bool) -> None:
    """Open, update and close one issue a class, so that they say what the history says.

    Done twice it changes nothing the second time. An issue is closed only when each of its clauses was
    seen kept again, is waived or no longer promised. The token needs the permission 'issues: write'
    (GitLab: api). Only issues of its own user count: at GitHub that is github-actions[bot], or whom
    BUILDER_CONTRACTS_AUTHOR names.
    """
    from builder_contracts.dashboard.forge import forge
    from builder_contracts.dashboard.history.store import History
    from builder_contracts.dashboard.nightly.breakage_issues import plan_actions

    here = forge()
    with History(file, write=False) as store:
        told, book = _report(store, stale_days, contracts)
        actions = plan_actions(told, book, here.open_issues(), site)
    for action in actions:
        if dry_run:
            click.echo(
                printable(f"would {type(action).__name__.lower()} {getattr(action, 'title', '') or action}")
            )
        else:
            click.echo(here.apply(action))
    if not actions:
        click.echo("the issues already say what the history says")


def _report(store: History, stale_days: float, contracts: Path | None) -> tuple[Report, Book]:
    from builder_contracts.dashboard.analysis.history_report import analyze_history
    from builder_contracts.dashboard.analysis.status import Policy
    from builder_contracts.dashboard.history.series import load_snapshot

    book = load_snapshot(store)
    policy = Policy(stale_days)
    return analyze_history(book, round(time.time() * 1000), policy, promised(contracts)), book


def _write(file: Path, content: bytes) -> None:
    try:
        write(file, content)
    except OSError as error:
        raise BuilderContractsError(f"{file} cannot be written: {error.strerror}") from None
