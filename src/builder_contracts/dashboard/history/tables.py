"""The tables of a history file, and the migrations of older files.

``PRAGMA user_version`` is the number of migrations that were applied to a file. A released migration never changes:
to change the tables, append a new one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

APPLICATION_ID = 0x42434854
"""Marks a file as a history ("BCHT"), so that no other database is mistaken for one."""

MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE source (          -- files that have been read: reading one again changes nothing
      digest  BLOB PRIMARY KEY,
      name    TEXT NOT NULL,
      results INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE run (             -- one class in one environment at one time
      id              INTEGER PRIMARY KEY,
      environment     TEXT NOT NULL,
      builder         TEXT NOT NULL,
      image_digest    TEXT NOT NULL,
      contract_digest TEXT NOT NULL,
      started         INTEGER NOT NULL,  -- milliseconds since 1970, UTC
      image           TEXT NOT NULL,
      engine          TEXT NOT NULL,
      host            TEXT NOT NULL,
      runner          TEXT NOT NULL,
      identity        TEXT NOT NULL,
      simulated       INTEGER NOT NULL,
      UNIQUE (environment, builder, image_digest, contract_digest, started)
    );
    CREATE TABLE clause (
      id      INTEGER PRIMARY KEY,
      builder TEXT NOT NULL,
      kind    TEXT NOT NULL,
      name    TEXT NOT NULL,
      UNIQUE (builder, kind, name)
    );
    CREATE TABLE text (            -- every text once: most nights say the same
      id    INTEGER PRIMARY KEY,
      value TEXT NOT NULL UNIQUE
    );
    CREATE TABLE result (
      run      INTEGER NOT NULL REFERENCES run,
      clause   INTEGER NOT NULL REFERENCES clause,
      verdict  INTEGER NOT NULL,   -- by severity: 0 kept, 1 waived, 2 unproven, 3 broken
      rung     INTEGER,            -- 0 to 4 for C0 to C4
      seconds  REAL NOT NULL,
      promised INTEGER NOT NULL REFERENCES text,
      seen     INTEGER NOT NULL REFERENCES text,
      source   INTEGER NOT NULL REFERENCES text,
      likely   INTEGER NOT NULL REFERENCES text,
      look     INTEGER NOT NULL REFERENCES text,
      why      INTEGER NOT NULL REFERENCES text,
      PRIMARY KEY (run, clause)
    ) WITHOUT ROWID;
    CREATE TABLE witness (
      run      INTEGER NOT NULL,
      clause   INTEGER NOT NULL,
      position INTEGER NOT NULL,
      witness  INTEGER NOT NULL REFERENCES text,
      PRIMARY KEY (run, clause, position)
    ) WITHOUT ROWID;
    CREATE TABLE measurement (
      run      INTEGER NOT NULL,
      clause   INTEGER NOT NULL,
      quantity TEXT NOT NULL,
      value    REAL NOT NULL,
      budget   REAL,
      PRIMARY KEY (run, clause, quantity)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE result ADD COLUMN host_limit INTEGER NOT NULL DEFAULT 0;  -- unproven, and never provable there
    """,
)


class NewerFileError(Exception):
    """The file was made by a newer version of this product; ``args`` are its version and ours."""


class ForeignFileError(Exception):
    """The file is a database of something else."""


def migrate(connection: sqlite3.Connection) -> None:
    """Migrate the tables in one transaction: a second opener waits, or finds it done.

    Raises NewerFileError, ForeignFileError, sqlite3.Error.
    """
    if _is_ours(connection) and _version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and not _is_ours(connection):
            raise ForeignFileError
        if version > len(MIGRATIONS):
            raise NewerFileError(version, len(MIGRATIONS))
        for script in MIGRATIONS[version:]:
            # executescript() would commit first.
            for statement in _split_statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether the tables are those of today and not older. Raises like ``migrate``."""
    if not _is_ours(connection):
        raise ForeignFileError
    if (version := _version(connection)) > len(MIGRATIONS):
        raise NewerFileError(version, len(MIGRATIONS))
    return version == len(MIGRATIONS)


def verify(connection: sqlite3.Connection) -> None:
    """Look through all pages, as readers do: a tenth of a second for a year, and too long for a writer a night.

    Raises sqlite3.DatabaseError where pages were lost or mixed up, though each can be read by itself.
    """
    answer: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if answer != "ok":
        # The first line only names the database.
        raise sqlite3.DatabaseError(answer.splitlines()[-1])


def claims_to_be_ours(head: bytes) -> bool:
    """Whether a file with this header was a history once, even if SQLite can no longer open it.

    https://sqlite.org/fileformat2.html#the_database_header lists the offsets.
    """
    return head.startswith(b"SQLite format 3\0") and head[68:72] == APPLICATION_ID.to_bytes(4)


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _is_ours(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID)


def _split_statements(script: str) -> list[str]:
    statements: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    if pending.strip():
        raise ValueError(f"a migration ends in the middle of a statement: {pending!r}")
    return statements
