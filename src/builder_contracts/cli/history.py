"""builder-contracts history: collect the verdicts of many runs in one file."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder_contracts.dashboard.history.postgres import SCHEMES, ServerAddress
from builder_contracts.errors import ExitCode, InputError, Location, Problem, printable

if TYPE_CHECKING:
    from builder_contracts.contract.model import Contract


class Place(click.Path):
    """A history file, or the URL of a PostgreSQL database."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and value.startswith(SCHEMES):
            return ServerAddress(value)
        return super().convert(value, param, ctx)


HISTORY = click.option(
    "--history",
    "file",
    required=True,
    metavar="FILE",
    type=Place(),
    help="History file (SQLite database), or the URL of a PostgreSQL database: postgresql://user@host/database.",
)


@click.group(name="history")
def history() -> None:
    """Collect verdicts from many runs in one file for the dashboard.

    \b
    Examples:
      builder-contracts history add --history history.db junit/*.xml --evidence evidence/
      builder-contracts history show --history history.db
    """


@history.command()
@HISTORY
@click.argument("files", nargs=-1, metavar="JUNIT...", type=click.Path(path_type=Path))
@click.option(
    "--evidence",
    multiple=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Also read every evidence.jsonl under DIR (repeatable).",
)
@click.option(
    "--environment",
    default="default",
    show_default=True,
    help="Environment for results that state none, such as those of plain pytest.",
)
@click.option("--builder", default="", metavar="CLASS", help="Class for results that state none.")
@click.option(
    "--started",
    metavar="TIME",
    help="Start time for files that state none, for example 2026-03-12T02:00:11Z "
    "(default: the file's modification time).",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was added as JSON.")
def add(
    file: Path | ServerAddress,
    files: tuple[Path, ...],
    evidence: tuple[Path, ...],
    environment: str,
    builder: str,
    started: str | None,
    as_json: bool,
) -> None:
    """Add results from JUnit files, written by builder-contracts or any other tool.

    A directory means every .xml file under it. Adding a file twice changes nothing, concurrent runs are
    safe, and each file is added completely or not at all. Unusable files are reported and skipped; the exit
    code is then 3. A file without any test, and a value that cannot be read, are warnings.
    """
    from builder_contracts.dashboard.history.import_files import ImportDefaults, add_files
    from builder_contracts.dashboard.history.store import History

    named = _find_reports(files, evidence)
    reading = ImportDefaults(
        environment, builder, None if started is None else parse_instant("--started", started)
    )
    with (
        History(file) as store,
        click.progressbar(length=len(named), label="reading", file=sys.stderr) as bar,
    ):
        done = add_files(store, named, reading, progress=lambda count: bar.update(count - bar.pos))
        size = store.size()
    for name in done.undated:
        click.echo(
            f"note: {name} has no usable timestamp; using its modification time (override with --started)",
            err=True,
        )
    for name in done.repeated:
        click.echo(
            f"note: {name} has no usable timestamp and is identical to a file already added; skipped "
            "(use --started if it is another run)",
            err=True,
        )
    for problem in done.flags:
        click.echo(f"warning: {problem}", err=True)
    if as_json:
        counts = {"new": done.new, "known": done.already_present, "results": done.results}
        click.echo(
            json.dumps(
                {
                    **counts,
                    "warnings": [str(problem) for problem in done.flags],
                    "problems": [str(problem) for problem in done.problems],
                }
            )
        )
    else:
        already_present = f", {done.already_present} already present" if done.already_present else ""
        click.echo(
            f"{file}: added {_format_count(done.new, 'file')} with {_format_count(done.results, 'result')}{already_present}; "
            f"now holds {_format_count(size.runs, 'run')}, {_format_count(size.clauses, 'clause')}"
        )
    if done.problems:
        raise InputError(done.problems)


@history.command()
@HISTORY
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def show(file: Path | ServerAddress, as_json: bool) -> None:
    """Show the size of a history and the latest run of each class."""
    from builder_contracts.dashboard.history.store import History

    with History(file, write=False) as store:
        size = store.size()
        latest = sorted(
            store.rows(
                "SELECT environment, builder, started, image_digest, contract_digest, runs FROM (SELECT *,"
                " count(*) OVER (PARTITION BY environment, builder) AS runs, row_number() OVER"
                " (PARTITION BY environment, builder ORDER BY started DESC, id DESC) AS age FROM run) AS dated"
                " WHERE age = 1"
            )
        )
    names = ("environment", "builder", "started", "image_digest", "contract_digest", "runs")
    classes = [dict(zip(names, row, strict=True)) | {"started": _format_instant(row[2])} for row in latest]
    if as_json:
        click.echo(json.dumps({"results": size.results, "runs": size.runs, "classes": classes}, indent=2))
        return
    click.echo(
        f"{_format_count(size.results, 'result')} of {_format_count(size.clauses, 'clause')} "
        f"in {_format_count(size.runs, 'run')}, from {_format_count(size.files, 'file')}"
    )
    for entry in classes:
        line = (
            f"{entry['environment']}  {entry['builder']:24} last {entry['started']}  "
            f"image {str(entry['image_digest'])[:19] or 'unknown'}  {_format_count(int(str(entry['runs'])), 'run')}"
        )
        click.echo(printable(line))
    if not classes:
        raise click.exceptions.Exit(ExitCode.NOTHING_SELECTED)


def night_data(file: Path | ServerAddress, contracts: Sequence[Contract]) -> list[dict[str, Any]]:
    """What the history shows today of each class: its state, what is broken since when, what is unproven or unknown."""
    from builder_contracts.dashboard.analysis.history_report import analyze_history
    from builder_contracts.dashboard.analysis.status import ClauseState
    from builder_contracts.dashboard.history.series import load_snapshot
    from builder_contracts.dashboard.history.store import History

    with History(file, write=False) as store:
        book = load_snapshot(store)
    promised = {contract.name: [clause.local_id for clause in contract.clauses] for contract in contracts}
    report = analyze_history(book, round(time.time() * 1000), contracts=promised)
    return [
        {
            "environment": builder.environment,
            "class": builder.builder,
            "state": builder.state.value,
            "last": _format_instant(builder.run.started) if builder.run else None,
            "counts": {state.value: builder.counts[state] for state in ClauseState},
            "broken": [
                {
                    "clause": clause.clause.id,
                    "since": _format_instant(clause.since.run.started),
                    "promise": book.text(clause.last.promised),
                    "observation": book.text(clause.last.seen),
                    "cause": book.text(clause.last.likely),
                }
                for clause in builder.clauses
                if clause.state is ClauseState.BROKEN
            ],
            "unproven": [
                clause.clause.id for clause in builder.clauses if clause.state is ClauseState.UNPROVEN
            ],
            "never_reported": [f"{builder.builder}/{name}" for name in builder.unreported],
        }
        for builder in report.classes
    ]


def _find_reports(files: tuple[Path, ...], evidence: tuple[Path, ...]) -> list[Path]:
    paths: list[Path] = []
    problems: list[Problem] = []

    def missing(path: Path, what: str, fix: str) -> None:
        problems.append(Problem(Location(str(path), 1), what, fix))

    for path in files:
        inside = sorted(path.rglob("*.xml")) if path.is_dir() else [path]
        paths += inside
        if not inside:
            missing(path, "no .xml files in this directory", "pass the directory that --junitxml wrote to")
        elif not path.exists():
            missing(path, "no such file", "pass a JUnit file or a directory of JUnit files")
    for folder in evidence:
        inside = sorted(folder.rglob("evidence.jsonl")) if folder.is_dir() else []
        paths += inside
        if not inside:
            missing(
                folder, "no evidence.jsonl in this directory", "pass the directory that --evidence wrote to"
            )
    if not paths and not problems:
        raise click.UsageError("pass at least one JUnit file or --evidence DIR")
    if problems:
        raise InputError(problems)
    return list(dict.fromkeys(paths))


def parse_instant(option: str, text: str) -> int:
    """The time that an option states, as milliseconds since 1970. Raises InputError."""
    from builder_contracts.dashboard.history.junit_reader import moment

    try:
        return moment(text)
    except (ValueError, OverflowError):
        fix = "use a form such as 2026-03-12T02:00:11Z"
        raise InputError([Problem(Location(option), f"{text!r} is not a timestamp", fix)]) from None


def _format_instant(milliseconds: object) -> str:
    return datetime.fromtimestamp(int(str(milliseconds)) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _format_count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
