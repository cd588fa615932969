"""The history of verdicts in one SQLite file, or on a PostgreSQL server where many machines write.

The file is SQLite rather than DuckDB because several jobs may add nights at the same time, while DuckDB lets only one
process open a file for writing; because SQLite's journal makes an import atomic even under kill -9; because it is in
Python's standard library; and because a night is a few hundred small rows, not a column scan.

Imports are idempotent and commutative: the same files give the same history in any order. If one run has two results
for a clause, the worse is kept.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, cast

from builder_contracts.dashboard.history import tables
from builder_contracts.dashboard.history.postgres import PostgresConnection, ServerAddress, ServerError
from builder_contracts.dashboard.history.result import OLDEST, SEVERITY, Result
from builder_contracts.errors import BuilderContractsError, InputError, Location, Problem
from builder_contracts.verdict import Outcome, Rung

BUSY_SECONDS = 60.0
"""How long a writer waits for another one."""

OUTCOMES = sorted(Outcome, key=SEVERITY.__getitem__)
RUNGS = list(Rung)
_RUNG_NUMBERS = {rung: number for number, rung in enumerate(RUNGS)}
_TEXT_CACHE = 200_000
_FUTURE_MS = 24 * 3600 * 1000
_PAUSE_MS = 6 * 3600 * 1000


class HistoryError(BuilderContractsError):
    """The history cannot be opened or written."""


class ImportBatch(NamedTuple):
    """The results of one file. ``digest`` is of its bytes and of how it was read; ``name`` is for people.

    ``flags`` are what is odd in it and costs no verdict.
    """

    digest: bytes
    name: str
    results: Sequence[Result]
    flags: Sequence[Problem] = ()


@dataclass(frozen=True)
class HistorySize:
    """The size of a history. Times are milliseconds since 1970 in UTC, None in an empty history."""

    files: int
    runs: int
    clauses: int
    results: int
    first: int | None
    last: int | None


class History:
    """An open history. Use it as a context manager; one instance belongs to one thread."""

    def __init__(self, path: Path | ServerAddress, *, write: bool = True) -> None:
        """Open the file or the database; with ``write`` it is made when it is not there, and brought up to date.

        Raises HistoryError, or InputError for a file that is not a history.
        """
        self.path = path
        self._connection: sqlite3.Connection | PostgresConnection
        self._texts: dict[str, int] = {}
        self._clauses: dict[tuple[str, str, str], int] = {}
        try:
            with self._translated_errors("open"):
                if isinstance(path, ServerAddress):
                    self._connection = PostgresConnection(path, write=write, wait=BUSY_SECONDS)
                else:
                    self._connection = _open(path, write=write)
        except tables.NewerFileError as newer:
            theirs, ours = newer.args
            raise HistoryError(
                f"{path} has format version {theirs}, newer than the supported {ours}: upgrade builder-contracts"
            ) from None
        except tables.ForeignFileError:
            mend = "pass a file created by 'builder-contracts history add', or a new path"
            raise InputError([Problem(Location(str(path), 1), "not a history file", mend)]) from None

    @contextmanager
    def _translated_errors(self, verb: str, ending: str = "") -> Iterator[None]:
        """A database's errors for a person. ``verb`` is what the file cannot be used for: open, read or write."""
        try:
            yield
        except ServerError as error:
            raise HistoryError(f"cannot {verb} {self.path}: {_format_reason(error)}{ending}") from None
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.Error as error:
            if _is_corruption(error):
                raise self.corrupt(f"{error}{ending}") from None
            raise HistoryError(f"cannot {verb} {self.path}: {_format_reason(error)}{ending}") from None

    def corrupt(self, why: str) -> HistoryError:
        """The error for a file with contents that no history has."""
        return HistoryError(
            f"{self.path} is corrupt ({why}): restore the last stored copy, or add the reports to a new file"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def has_file(self, digest: bytes) -> bool:
        """Whether a file of this digest has been added."""
        return self.row("SELECT 1 FROM source WHERE digest = ?", digest) is not None

    def add(self, batches: Iterable[ImportBatch], *, now: float | None = None) -> list[ImportBatch]:
        """Add files in one transaction: all of them or, after any error, none. Those that were new.

        ``now`` is a POSIX time; what claims to have started more than a day after it is refused, because
        it would pass for the latest night for ever. Raises InputError, HistoryError.
        """
        latest = round((time.time() if now is None else now) * 1000) + _FUTURE_MS
        added = []
        with self._transaction():
            for batch in batches:
                if not self.has_file(batch.digest):
                    self._add(batch, latest)
                    added.append(batch)
        return added

    def size(self) -> HistorySize:
        """Count what is in the history."""
        row = self.row(
            "SELECT (SELECT count(*) FROM source), count(*), (SELECT count(*) FROM clause),"
            " (SELECT count(*) FROM result), min(started), max(started) FROM run"
        )
        return HistorySize(*cast(tuple[int, int, int, int, int | None, int | None], row))

    def rows(self, query: str, *values: object) -> Iterator[tuple[object, ...]]:
        """The rows of a query, for readers in this package. Raises HistoryError."""
        with self._translated_errors("read"):
            yield from self._connection.execute(query, values)

    def row(self, query: str, *values: object) -> tuple[object, ...] | None:
        """The first row of a query, or None. Raises HistoryError."""
        with self._translated_errors("read"):
            row: tuple[object, ...] | None = self._connection.execute(query, values).fetchone()
            return row

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated_errors("write", "; nothing was added"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # IDs of rows that were rolled back must not be used again.
                self._texts.clear()
                self._clauses.clear()
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _add(self, batch: ImportBatch, latest: int) -> None:
        for results in _group_by_run(batch.results):
            run = self._run(results, batch.name, latest)
            self._results(run, results)
        self._connection.execute(
            "INSERT INTO source (digest, name, results) VALUES (?, ?, ?)",
            (batch.digest, batch.name, len(batch.results)),
        )

    def _run(self, results: Sequence[Result], name: str, latest: int) -> int:
        started = min(result.started or 0 for result in results)
        if not OLDEST <= started <= latest:
            what = "is dated in the future" if started > latest else "is dated before the year 2000"
            mend = "correct the clock of the machine that wrote it"
            if started < OLDEST:
                mend += ", or set the time with --started"
            raise InputError([Problem(Location(name, 1), what, mend)])
        first = results[0]
        key = (first.environment, first.builder, first.image_digest, first.contract_digest, started)
        about = [
            next((value for result in results if (value := getattr(result, field))), "")
            for field in ("image", "engine", "host", "runner", "identity")
        ]
        self._connection.execute(
            "INSERT INTO run (environment, builder, image_digest, contract_digest, started,"
            " image, engine, host, runner, identity, simulated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (*key, *about, any(result.simulated for result in results)),
        )
        identity: int = self._connection.execute(
            "SELECT id FROM run WHERE environment = ? AND builder = ? AND image_digest = ?"
            " AND contract_digest = ? AND started = ?",
            key,
        ).fetchone()[0]
        return identity

    def _results(self, run: int, results: Sequence[Result]) -> None:
        text, clause = self._text, self._clause
        rows, witnesses, measurements = [], [], []
        for result in results:
            which = clause(result.builder, result.kind, result.name)
            rows.append(
                (
                    run,
                    which,
                    SEVERITY[result.verdict],
                    None if result.rung is None else _RUNG_NUMBERS[result.rung],
                    result.seconds,
                    text(result.promised),
                    text(result.seen),
                    text(result.source),
                    text(result.likely),
                    text(result.look),
                    text(result.why),
                    result.host_limit,
                )
            )
            witnesses += [(run, which, at, text(witness)) for at, witness in enumerate(result.witnesses)]
            measurements += [
                (run, which, measurement.quantity, measurement.value, measurement.budget)
                for measurement in result.measurements
            ]
        self._connection.executemany(
            "INSERT INTO result VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (run, clause) DO UPDATE SET verdict = excluded.verdict, rung = excluded.rung,"
            " seconds = excluded.seconds, promised = excluded.promised, seen = excluded.seen,"
            " source = excluded.source, likely = excluded.likely, look = excluded.look, why = excluded.why,"
            " host_limit = excluded.host_limit"
            " WHERE excluded.verdict > result.verdict",
            rows,
        )
        into = "INSERT INTO {} VALUES ({}) ON CONFLICT DO NOTHING"
        self._connection.executemany(into.format("witness", "?, ?, ?, ?"), witnesses)
        self._connection.executemany(into.format("measurement", "?, ?, ?, ?, ?"), measurements)

    def _text(self, value: str) -> int:
        number = self._texts.get(value)
        if number is None:
            if len(self._texts) > _TEXT_CACHE:
                self._texts.clear()
            number = self._texts[value] = self._insert_once("text", ("value",), (value,))
        return number

    def _clause(self, builder: str, kind: str, name: str) -> int:
        key = (builder, kind, name)
        number = self._clauses.get(key)
        if number is None:
            number = self._clauses[key] = self._insert_once("clause", ("builder", "kind", "name"), key)
        return number

    def _insert_once(self, table: str, columns: Sequence[str], values: Sequence[str]) -> int:
        """The ID of the row with these values, which is inserted if it is missing. Names are our own, never input."""
        where = " AND ".join(f"{column} = ?" for column in columns)
        row = self._connection.execute(f"SELECT id FROM {table} WHERE {where}", values).fetchone()  # noqa: S608
        if row is None:
            marks = ", ".join("?" * len(columns))
            into = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) RETURNING id"  # noqa: S608
            row = self._connection.execute(into, values).fetchone()
        identity: int = row[0]
        return identity


def _open(path: Path, *, write: bool) -> sqlite3.Connection:
    if not write and not path.is_file():
        mend = "create it with 'builder-contracts history add --history FILE junit/*.xml'"
        raise InputError([Problem(Location(str(path), 1), "no such history file", mend)])
    # SQLite's default journal: a write-ahead log would leave two more files next to the one that jobs
    # store as an artifact. A reader may have to roll back what a killed writer began, if it can write.
    mode = "rwc" if write else "rw" if os.access(path, os.W_OK) else "ro"
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        if write:
            tables.migrate(connection)
        elif not tables.is_current(connection):
            # A reader leaves the file as it is, and reads a migrated copy.
            older, connection = connection, sqlite3.connect(":memory:", isolation_level=None)
            with closing(older):
                older.backup(connection)
            tables.migrate(connection)
        if not write:
            tables.verify(connection)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error) and _is_corruption(error) and not _was_ours(path):
            raise tables.ForeignFileError from None
        raise
    return connection


def _was_ours(path: Path) -> bool:
    with path.open("rb") as stream:
        return tables.claims_to_be_ours(stream.read(100))


# Faults of the machine, the disk or the permissions, not of the file.
_CIRCUMSTANCES = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    )
)


def _is_corruption(error: sqlite3.Error) -> bool:
    """Also "no such table" is: a file of the right version without its tables."""
    # The primary code is the last byte; an error about invalid UTF-8 has none.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF not in _CIRCUMSTANCES


def _format_reason(error: Exception) -> str:
    text = str(error)
    if "locked" in text or "busy" in text:
        return f"locked by another process for {BUSY_SECONDS:g} s"
    return text


def _group_by_run(results: Iterable[Result]) -> Iterator[list[Result]]:
    """Results of one file by run.

    One that knows no digest belongs to the only run of its class there. A pause of hours between two
    results ends a run: somebody has merged the reports of several.
    """

    def place(result: Result) -> tuple[str, str]:
        return result.environment, result.builder

    def when(result: Result) -> tuple[str, str, int]:
        return result.image_digest, result.contract_digest, result.started or 0

    for _, of_class in groupby(sorted(results, key=place), key=place):
        builder_results = list(of_class)
        for field in ("image_digest", "contract_digest"):
            digests = {getattr(result, field) for result in builder_results} - {""}
            if len(digests) == 1:
                only = digests.pop()
                builder_results = [
                    result if getattr(result, field) else result._replace(**{field: only})
                    for result in builder_results
                ]
        run: list[Result] = []
        for result in sorted(builder_results, key=when):
            if run and (
                when(result)[:2] != when(run[-1])[:2] or when(result)[2] - when(run[-1])[2] > _PAUSE_MS
            ):
                yield run
                run = []
            run.append(result)
        yield run
