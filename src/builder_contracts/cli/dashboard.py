"""builder-contracts dashboard: build and serve a static site from a history."""

from __future__ import annotations

import math
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import click

from builder_contracts.cli.history import HISTORY
from builder_contracts.cli.options import SETTINGS, ContractsPath, dashboard_settings
from builder_contracts.dashboard.history.postgres import ServerAddress
from builder_contracts.errors import InputError, Location, Problem

_OUT = click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Output directory.",
)


class _Days(click.FloatRange):
    """Days above zero and up to a hundred years; NaN is rejected, which a comparison would not do."""

    def __init__(self) -> None:
        super().__init__(0, 36_500, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        days = super().convert(value, param, ctx)
        if math.isnan(days):
            self.fail(f"{value} is not a number of days.", param, ctx)
        return days


EXPECT = click.option(
    "--expect",
    "expected",
    multiple=True,
    metavar="ENVIRONMENT",
    help="Environment in which every class of the contracts must report each night (repeatable).",
)

STALE = click.option(
    "--stale-days",
    type=_Days(),
    metavar="DAYS",
    default=3.0,
    show_default=True,
    help="Show evidence older than this as unknown.",
)


def _site_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options of every command that builds a site."""
    for option in (
        click.option(
            "--contracts",
            type=ContractsPath(exists=True),
            metavar="PATH",
            help="Current contracts: mark clauses they dropped as withdrawn and list clauses never reported.",
        ),
        click.option(
            "--sustained-nights",
            type=click.IntRange(1),
            default=7,
            show_default=True,
            help="Consecutive nights at C3 required for C4.",
        ),
        EXPECT,
        dashboard_settings,
        STALE,
    ):
        command = option(command)
    return command


@click.group(name="dashboard")
def dashboard() -> None:
    """Show what broke, since when, on which class, and what changed.

    \b
    Examples:
      builder-contracts dashboard demo --out demo/
      builder-contracts dashboard build --history history.db --out site/
      builder-contracts dashboard serve --history history.db
    """


@dashboard.command()
@HISTORY
@_OUT
@_site_options
@click.option("--base-url", default="", metavar="URL", help="Base URL of the site, for links in the feed.")
@click.option(
    "--as-of",
    metavar="TIME",
    help="Show the state at TIME instead of now; such pages do not go stale.",
)
def build(
    file: Path | ServerAddress,
    out: Path,
    contracts: Path | None,
    sustained_nights: int,
    stale_days: float,
    expected: tuple[str, ...],
    base_url: str,
    as_of: str | None,
) -> None:
    """Build the site as static files that work offline and on any web server.

    Replaces an earlier site in DIR; rejects any other non-empty directory.
    """
    started = time.monotonic()
    base = _parse_url(base_url) if base_url else ""
    pages = _build_site(
        file, out, contracts, sustained_nights, stale_days, expected, base_url=base, as_of=as_of
    )
    click.echo(f"{out / 'index.html'}: built {pages:,} pages in {time.monotonic() - started:.1f} s")


@dashboard.command()
@HISTORY
@_site_options
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1 (default: any free port)."
)
def serve(
    file: Path | ServerAddress,
    contracts: Path | None,
    sustained_nights: int,
    stale_days: float,
    expected: tuple[str, ...],
    port: int,
) -> None:
    """Serve the site locally; rebuild and reload it when the history changes."""
    from builder_contracts.dashboard.site.preview_server import Server

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    def rebuild(out: Path) -> object:
        return _build_site(file, out, contracts, sustained_nights, stale_days, expected, quiet=True)

    if isinstance(file, ServerAddress):
        mend = "build the site again after each night with 'dashboard build', and serve the folder"
        raise InputError([Problem(Location("--history"), "a database cannot be watched", mend)])
    # SIGTERM, as supervisors send it, would leave the temporary directory behind.
    signal.signal(signal.SIGTERM, interrupt)
    try:
        server = Server(rebuild, file, port)
    except OSError as error:
        mend = "choose another port, or omit --port"
        raise InputError([Problem(Location("--port"), f"cannot listen: {error.strerror}", mend)]) from None
    click.echo(f"serving {file} at {server.url}; press Ctrl-C to stop")
    try:
        server.run()
    except KeyboardInterrupt:
        click.echo("", err=True)
    finally:
        server.close()


@dashboard.command()
@_OUT
@_site_options
@click.option(
    "--nights",
    type=click.IntRange(1, 400),
    default=60,
    show_default=True,
    help="Number of nights to simulate.",
)
@click.option("--seed", type=int, default=None, help="Random seed; varies details, not the story.")
@click.option("--until", metavar="DATE", help="Last night, for example 2026-03-12 (default: last night).")
@click.option(
    "--keep-history", metavar="FILE", type=click.Path(path_type=Path), help="Also save the history to FILE."
)
def demo(
    out: Path,
    contracts: Path | None,
    sustained_nights: int,
    stale_days: float,
    expected: tuple[str, ...],
    nights: int,
    seed: int | None,
    until: str | None,
    keep_history: Path | None,
) -> None:
    """Build a site from simulated nights; every page is marked as simulated."""
    from builder_contracts.dashboard.demo.report_files import SEED, simulate_nights
    from builder_contracts.dashboard.demo.story import build_story
    from builder_contracts.dashboard.history.import_files import ImportDefaults, add_files
    from builder_contracts.dashboard.history.store import History

    last = _find_last_night() if until is None else _parse_date(until)
    with tempfile.TemporaryDirectory(prefix="builder-contracts-demo-") as folder:
        files = []
        for name, text in simulate_nights(
            build_story(), last=last, count=nights, seed=SEED if seed is None else seed
        ):
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
            files.append(path)
        file = keep_history or Path(folder, "history.db")
        with History(file) as store:
            add_files(store, files, ImportDefaults())
        as_of = None if until is None else f"{last}T08:00:00Z"
        pages = _build_site(file, out, contracts, sustained_nights, stale_days, expected, as_of=as_of)
    click.echo(f"{out / 'index.html'}: built {pages:,} pages from {nights} simulated nights")


def _build_site(
    file: Path | ServerAddress,
    out: Path,
    contracts: Path | None,
    sustained_nights: int,
    stale_days: float,
    expected: Collection[str] = (),
    *,
    base_url: str = "",
    as_of: str | None = None,
    quiet: bool = False,
) -> int:
    from builder_contracts.cli.history import parse_instant
    from builder_contracts.dashboard.analysis.history_report import analyze_history
    from builder_contracts.dashboard.analysis.status import Policy
    from builder_contracts.dashboard.history.series import load_snapshot
    from builder_contracts.dashboard.history.store import History
    from builder_contracts.dashboard.site.build import count_pages, write_site

    now = round(time.time() * 1000) if as_of is None else parse_instant("--as-of", as_of)
    policy = Policy(stale_days, sustained_nights)
    with History(file, write=False) as store:
        # Today's site keeps a run of the near future: the clock of its machine is a little fast.
        book = load_snapshot(store, until=None if as_of is None else now)
        promises = load_promises(contracts)
        report = analyze_history(
            book, now, policy, promises.clauses, expected=expected, complete=promises.complete
        )
        bar: Any = click.progressbar(length=count_pages(report), label="pages", file=sys.stderr, hidden=quiet)
        with bar:
            return write_site(
                report,
                book,
                out,
                base=base_url,
                frozen=as_of is not None,
                progress=lambda count: bar.update(count - bar.pos),
            )


@dataclass(frozen=True)
class Promises:
    """The clauses of the contracts by class, None where no contracts are given.

    ``complete`` is False where a contract could not be read.
    """

    clauses: Mapping[str, Collection[str]] | None = None
    complete: bool = True


def load_promises(path: Path | None) -> Promises:
    """What the contracts promise. One that cannot be read is a warning: the history has what its class reported."""
    if path is None:
        return Promises()
    from builder_contracts.contract.loading import load_readable
    from builder_contracts.run.inputs import contract_files

    contracts, problems = load_readable(contract_files((path,)), click.get_current_context().meta[SETTINGS])
    for problem in problems:
        warn(f"{problem}\n    the history is shown without this contract")
    return Promises(
        {contract.name: [clause.local_id for clause in contract.clauses] for contract in contracts},
        complete=not problems,
    )


def warn(text: str) -> None:
    """Print a warning to standard error, in GitHub Actions as an annotation."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from builder_contracts.reporting.github import escape_data

        click.echo(f"::warning::{escape_data(text)}", err=True)
    else:
        click.echo(f"warning: {text}", err=True)


def _parse_url(text: str) -> str:
    """The URL of a site. Raises InputError."""
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets that hold no address
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        mend = "use a form such as https://example.org/contracts/"
        raise InputError([Problem(Location("--base-url"), f"{text!r} is not an http(s) URL", mend)])
    return text


def _find_last_night() -> date:
    now = datetime.now(UTC)
    # The simulated runs end by 02:30.
    return (now if now.hour >= 3 else now - timedelta(days=1)).date()


def _parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        mend = "write it like 2026-03-12"
        raise InputError([Problem(Location("--until"), f"{text!r} is not a date", mend)]) from None
