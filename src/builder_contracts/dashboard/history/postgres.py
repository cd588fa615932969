"""A history on a PostgreSQL server: the tables and statements of the file, in PostgreSQL's dialect.

The tables are in a schema of their own. A writer holds one lock for its whole transaction, as it does in a file, so that
two of them never write at once; a reader sees the history as it was when it began, whatever is added meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self
from urllib.parse import urlsplit

from builder_contracts.dashboard.history.tables import APPLICATION_ID, MIGRATIONS, NewerFileError
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.extras import name_missing_extra

SCHEMES = ("postgresql://", "postgres://")
SCHEMA = "builder_contracts"
_LOCK = f"SELECT pg_advisory_xact_lock({APPLICATION_ID})"
_DIALECT = (
    (r"\bINTEGER PRIMARY KEY\b", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    (r"\bINTEGER\b", "BIGINT"),
    (r"\bREAL\b", "DOUBLE PRECISION"),
    (r"\bBLOB\b", "BYTEA"),
    (r"\) WITHOUT ROWID;", ");"),
    # Looked up for each row of a night; the rows are written with what they refer to, in one transaction.
    (r"\bREFERENCES \w+", ""),
    # Writers look for a clause under their lock, and names of tests can be longer than an index of all three takes.
    (r",\s+UNIQUE \(builder, kind, name\)\s+\);", "); CREATE INDEX ON clause USING hash (name);"),
    # A text is longer than what the usual index of PostgreSQL takes.
    (r"\bvalue TEXT NOT NULL UNIQUE", "value TEXT NOT NULL, EXCLUDE USING hash (value WITH =)"),
)


class ServerError(Exception):
    """A statement that the server refused, in its words and without a secret."""


@dataclass(frozen=True)
class ServerAddress:
    """The URL of a database. As text it has no password, nor anything else after the database's name."""

    url: str = field(repr=False)

    @property
    def is_clear(self) -> bool:
        """Whether it has one meaning: in a password, a slash that is not written as %2F ends the host."""
        try:
            parts = urlsplit(self.url)
            return parts.port != 0 and not parts.fragment and "@" not in parts.path
        except ValueError:
            return False

    def __str__(self) -> str:
        if not self.is_clear:
            return "postgresql://"
        parts = urlsplit(self.url)
        user = f"{parts.username}@" if parts.username else ""
        return f"postgresql://{user}{parts.netloc.rpartition('@')[2]}{parts.path}"


class PostgresConnection:
    """The part of SQLite's connection that a history uses. Raises ServerError."""

    def __init__(self, address: ServerAddress, *, write: bool, wait: float) -> None:
        """Connect; with ``write`` the tables are made when they are not there, and brought up to date.

        ``wait`` is how many seconds to wait for another writer. Raises InputError, NewerFileError, ServerError.
        """
        with name_missing_extra():
            import psycopg
        self._errors = psycopg
        mend = "use the form postgresql://user@host/database, with special characters of a password as %XX"
        unclear = InputError([Problem(Location("--history"), "not the URL of a database", mend)])
        if not address.is_clear:
            raise unclear
        try:
            # What the URL says of these comes first, but for the options, which hold the schema.
            about: dict[str, Any] = {"connect_timeout": 10, "application_name": "builder-contracts"}
            about |= psycopg.conninfo.conninfo_to_dict(address.url)
        except psycopg.Error:
            # Its message can quote what stands where a password does.
            raise unclear from None
        self._password = str(about.get("password") or "")
        settings = f"-c search_path={SCHEMA} -c lock_timeout={round(wait * 1000)}"
        if write:
            # The lock of a writer whose machine is gone; the server knows by itself of one that was killed.
            settings += " -c idle_in_transaction_session_timeout=300000"
        with self._translated():
            conninfo = psycopg.conninfo.make_conninfo(**{**about, "options": settings})
            self._connection = psycopg.connect(conninfo, autocommit=True)
        try:
            if write:
                self._migrate()
            else:
                self._begin_reading(address)
        except BaseException:
            self.close()
            raise

    def _begin_reading(self, address: ServerAddress) -> None:
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        version = self._version()
        if version is None:
            mend = f"create one with 'builder-contracts history add --history {address} junit/*.xml'"
            raise InputError([Problem(Location(str(address), 1), "no history in this database", mend)])
        if version < len(MIGRATIONS):
            raise ServerError(
                "its tables are of an older version; the next 'history add' brings them up to date"
            )

    def _migrate(self) -> None:
        if self._version() == len(MIGRATIONS):
            return
        self.execute("BEGIN IMMEDIATE")
        version = self._version() or 0
        if version == 0:
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            self.execute("CREATE TABLE version (number BIGINT NOT NULL)")
            self.execute("INSERT INTO version VALUES (0)")
        for script in MIGRATIONS[version:]:
            self.execute(_translate_table(script))
        self.execute("UPDATE version SET number = ?", (len(MIGRATIONS),))
        self.execute("COMMIT")

    def _version(self) -> int | None:
        """The version of the tables, None where there are none. Raises NewerFileError."""
        if self.execute("SELECT to_regclass(?)", (f"{SCHEMA}.version",)).fetchone()[0] is None:
            return None
        version: int = self.execute("SELECT number FROM version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise NewerFileError(version, len(MIGRATIONS))
        return version

    def execute(self, query: str, values: Sequence[object] = ()) -> Any:
        """Run one statement; the result has its rows."""
        with self._translated():
            if query == "BEGIN IMMEDIATE":
                self._connection.execute("BEGIN")
                query = _LOCK
            # Without values a percent sign is nothing special, and several statements are allowed.
            if not values:
                return self._connection.execute(query.encode())
            return self._connection.execute(_translate_query(query), [_cleaned(value) for value in values])

    def executemany(self, query: str, rows: Sequence[Sequence[object]]) -> None:
        """Run one statement for each row of values."""
        with self._translated():
            self._connection.cursor().executemany(
                _translate_query(query), [[_cleaned(value) for value in row] for row in rows]
            )

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, also one that has failed."""
        status = self._errors.pq.TransactionStatus
        return self._connection.info.transaction_status in (status.INTRANS, status.INERROR)

    def close(self) -> None:
        """Close the connection; what is not committed is undone."""
        self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except self._errors.errors.LockNotAvailable:
            raise ServerError("locked by another process") from None
        except self._errors.Error as error:
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ServerError(text.replace(self._password, "***") if self._password else text) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _cleaned(value: object) -> object:
    """A value as PostgreSQL takes it: its texts have no NUL, and numbers are not truths."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return int(value) if isinstance(value, bool) else value


@cache
def _translate_query(query: str) -> bytes:
    return query.replace("?", "%s").encode()


def _translate_table(script: str) -> str:
    for pattern, text in _DIALECT:
        script = re.sub(pattern, text, script)
    return script
