"""builder-contracts history: keep the verdicts of many runs in one file."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from builder_contracts.errors import ExitCode, InputError, Problem, Source, printable

HISTORY = click.option(
    "--history",
    "file",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The history file, a SQLite database.",
)


@click.group(name="history")
def history() -> None:
    """Keep the verdicts of many runs in one file, for the dashboard.

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
    help="Also read every evidence.jsonl below DIR (repeatable).",
)
@click.option(
    "--environment",
    default="default",
    show_default=True,
    help="Environment of results whose file names none, such as plain pytest's.",
)
@click.option("--builder", default="", metavar="CLASS", help="Class of results whose file names none.")
@click.option(
    "--started",
    metavar="TIME",
    help="When the run of files that state no time began, as 2026-03-12T02:00:11Z. "
    "Without it, when the file was last changed.",
)
@click.option("--json", "as_json", is_flag=True, help="Say what was added as JSON.")
def add(
    file: Path,
    files: tuple[Path, ...],
    evidence: tuple[Path, ...],
    environment: str,
    builder: str,
    started: str | None,
    as_json: bool,
) -> None:
    """Add the results of JUnit files, of this product or of any other tool.

    A JUNIT that is a folder stands for every .xml below it. Adding a file again changes nothing, several
    of these may run at once, and a file is added whole or not at all. A file that cannot be used is
    named, left out, and makes the exit code 3.
    """
    from builder_contracts.dashboard.history.import_files import Reading, add_files
    from builder_contracts.dashboard.history.store import History

    named = _expand(files, evidence)
    reading = Reading(
        environment, builder, None if started is None else as_milliseconds("--started", started)
    )
    with (
        History(file) as store,
        click.progressbar(length=len(named), label="reading", file=sys.stderr) as bar,
    ):
        done = add_files(store, named, reading, progress=lambda count: bar.update(count - bar.pos))
        size = store.size()
    for name in done.undated:
        click.echo(
            f"note: {name} states no usable time; took that of its last change (--started sets another)",
            err=True,
        )
    for name in done.repeated:
        click.echo(
            f"note: {name} states no usable time and says to the byte what a known file says: taken for "
            "that one (--started tells two nights apart)",
            err=True,
        )
    if as_json:
        counts = {"new": done.new, "known": done.known, "results": done.results}
        click.echo(json.dumps({**counts, "problems": [str(problem) for problem in done.problems]}))
    else:
        known = f", {done.known} already known" if done.known else ""
        click.echo(
            f"{file}: {_count(done.new, 'file')} with {_count(done.results, 'result')} added{known}; "
            f"holds {_count(size.runs, 'run')} of {_count(size.clauses, 'clause')}"
        )
    if done.problems:
        raise InputError(done.problems)


@history.command()
@HISTORY
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(file: Path, as_json: bool) -> None:
    """Say how much is in a history, and the latest run of every class."""
    from builder_contracts.dashboard.history.store import History

    with History(file, write=False) as store:
        size = store.size()
        latest = list(
            store.rows(
                "SELECT environment, builder, max(started), image_digest, contract_digest, count(*)"
                " FROM run GROUP BY environment, builder ORDER BY environment, builder"
            )
        )
    names = ("environment", "builder", "started", "image_digest", "contract_digest", "runs")
    classes = [dict(zip(names, row, strict=True)) | {"started": _instant(row[2])} for row in latest]
    if as_json:
        click.echo(json.dumps({"results": size.results, "runs": size.runs, "classes": classes}, indent=2))
        return
    click.echo(
        f"{_count(size.results, 'result')} of {_count(size.clauses, 'clause')} "
        f"in {_count(size.runs, 'run')}, from {_count(size.files, 'file')}"
    )
    for one in classes:
        line = (
            f"{one['environment']}  {one['builder']:24} last {one['started']}  "
            f"image {str(one['image_digest'])[:19] or 'not known'}  {_count(int(str(one['runs'])), 'run')}"
        )
        click.echo(printable(line))
    if not classes:
        raise click.exceptions.Exit(ExitCode.NOTHING_SELECTED)


def _expand(files: tuple[Path, ...], evidence: tuple[Path, ...]) -> list[Path]:
    found: list[Path] = []
    problems: list[Problem] = []

    def missing(path: Path, what: str, mend: str) -> None:
        problems.append(Problem(Source(str(path), 1), what, mend))

    for path in files:
        inside = sorted(path.rglob("*.xml")) if path.is_dir() else [path]
        found += inside
        if not inside:
            missing(path, "there is no .xml file in this folder", "name the folder that --junitxml wrote to")
        elif not path.exists():
            missing(path, "there is no such file", "name a JUnit file, or a folder of them")
    for folder in evidence:
        inside = sorted(folder.rglob("evidence.jsonl")) if folder.is_dir() else []
        found += inside
        if not inside:
            missing(folder, "there is no evidence.jsonl in here", "name the folder that --evidence wrote to")
    if not found and not problems:
        raise click.UsageError("name at least one JUnit file, or --evidence DIR")
    if problems:
        raise InputError(problems)
    return list(dict.fromkeys(found))


def as_milliseconds(option: str, text: str) -> int:
    """The time that an option gives, as milliseconds since 1970. Raises InputError."""
    from builder_contracts.dashboard.junit import moment

    try:
        return moment(text)
    except (ValueError, OverflowError):
        mend = "write it like 2026-03-12T02:00:11Z"
        raise InputError([Problem(Source(option, 1), f"{text!r} is no time", mend)]) from None


def _instant(milliseconds: object) -> str:
    return datetime.fromtimestamp(int(str(milliseconds)) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
