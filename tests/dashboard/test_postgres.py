"""A history on a real PostgreSQL server: many writers, one of them killed, and readers meanwhile."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder_contracts.dashboard.history import tables
from builder_contracts.dashboard.history.import_files import ImportDefaults, add_files
from builder_contracts.dashboard.history.postgres import ServerAddress
from builder_contracts.dashboard.history.series import load_snapshot
from builder_contracts.dashboard.history.store import History, HistoryError
from builder_contracts.errors import InputError
from tests.dashboard.reports import case, suite

pytestmark = pytest.mark.xdist_group("postgres")
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
SECRET = "sw0rd-fish"
ADD = "from builder_contracts.cli import main; main()"
HALF = """
import sys
from builder_contracts.dashboard.history.import_files import ImportDefaults, read_file
from builder_contracts.dashboard.history.postgres import ServerAddress
from builder_contracts.dashboard.history.store import History
from pathlib import Path
history = History(ServerAddress(sys.argv[1]))
history._connection.execute("BEGIN IMMEDIATE")
history._add(read_file(Path(sys.argv[2]), ImportDefaults())[0], 2**53)
print("half", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server on a socket of its own, without the database's name."""
    if not PROGRAMS:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    programs = PROGRAMS[-1]
    folder = Path(tempfile.mkdtemp(prefix="builder-contracts-postgres-"))
    # The server refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    (folder / "password").write_text(SECRET)
    for path in (folder, folder / "password"):
        shutil.chown(path, user)
    act = ["setpriv", f"--reuid={user}", "--clear-groups"] if os.geteuid() == 0 else []

    def run(name: str, *arguments: str) -> None:
        command = [*act, str(programs / name), "-D", str(folder / "data"), *arguments]
        with (folder / "log").open("a") as log:
            subprocess.run(command, check=True, cwd=folder, stdout=log, stderr=log, timeout=120)

    try:
        run("initdb", "-U", "builder", "-A", "scram-sha-256", "--pwfile", str(folder / "password"), "-N")
        run(
            "pg_ctl",
            "-w",
            "-o",
            f"-F -c listen_addresses='' -k {folder}",
            "-l",
            str(folder / "server"),
            "start",
        )
        try:
            yield f"postgresql://builder:{SECRET}@/{{}}?host={folder}"
        finally:
            run("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def address(server: str, request: pytest.FixtureRequest) -> ServerAddress:
    """A new database."""
    import psycopg

    name = f"h{abs(hash(request.node.name))}"
    with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return ServerAddress(server.format(name))


def reports(folder: Path, count: int) -> list[Path]:
    """Nights of three clauses each, of which one breaks and one is measured."""
    files = []
    for night in range(count):
        started = f"2026-03-{night + 1:02}T02:00:11Z"
        cases = (
            case(started=started, witness="a"),
            case("tinyland-nix/toolchain/git", started=started, verdict="broken", ending="<failure/>"),
            case("tinyland-nix/canaries/boot", started=started, measured__cold_seconds=str(night + 1)),
        )
        (folder / f"{night}.xml").write_bytes(suite(*cases))
        files.append(folder / f"{night}.xml")
    return files


def held(place: Path | ServerAddress) -> list[object]:
    """What a history says, without the numbers that rows happen to have."""
    with History(place, write=False) as history:
        book = load_snapshot(history)
        points = [
            (series.clause, *point.run[1:], point.verdict, point.rung, point.seconds, book.text(point.seen))
            for series in book.series
            for point in series.points
        ]
        measured = [
            (key, *value.run[1:], value.value)
            for key, values in book.measurements.items()
            for value in values
        ]
        witnesses = [book.witnesses(series, point.run) for series in book.series for point in series.points]
        return [history.size(), sorted(points, key=repr), sorted(measured, key=repr), sorted(witnesses)]


def start(*arguments: object, code: str = ADD) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_eight_writers_a_killed_one_and_a_reader(address: ServerAddress, tmp_path: Path) -> None:
    files = reports(tmp_path, 24)
    add = ("history", "add", "--history", address.url)
    with History(address) as history:
        add_files(history, files[:1], ImportDefaults())
    killed = start(address.url, files[1], code=HALF)
    assert killed.stdout
    assert killed.stdout.readline() == "half\n"

    # Each night is written by two of them, and all wait for the one that will never end.
    writers = [start(*add, *files[at::8], *files[(at + 1) % 8 :: 8]) for at in range(8)]
    site = start("dashboard", "build", "--history", address.url, "--out", tmp_path / "site")
    assert "built" in site.communicate(timeout=100)[0]
    assert (tmp_path / "site" / "clauses" / "embedded" / "tinyland-nix" / "toolchain.git.html").exists()
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=100)

    for writer in writers:
        _, errors = writer.communicate(timeout=100)
        assert writer.returncode == 0, errors
    with History(tmp_path / "h.db") as history:
        add_files(history, files, ImportDefaults())
    assert held(address) == held(tmp_path / "h.db")


def test_reader_sees_the_history_as_it_began(address: ServerAddress, tmp_path: Path) -> None:
    files = reports(tmp_path, 2)
    with History(address) as writer:
        add_files(writer, files[:1], ImportDefaults())
        with History(address, write=False) as reader:
            before = reader.size()
            add_files(writer, files[1:], ImportDefaults())
            assert reader.size() == before
        assert writer.size().files == 2


def test_failed_night_leaves_nothing(address: ServerAddress, tmp_path: Path) -> None:
    future = case(started="2999-01-01T00:00:00Z")
    (tmp_path / "future.xml").write_bytes(suite(case(), future))
    with History(address) as history:
        done = add_files(history, [tmp_path / "future.xml"], ImportDefaults())
        assert [problem.message for problem in done.problems] == ["is dated in the future"]
        assert history.size().results == 0


def test_long_texts_and_nul_are_stored(address: ServerAddress, tmp_path: Path) -> None:
    long = "".join(chr(0x4E00 + number * 7 % 20_000) for number in range(15_000))
    # Four bytes a character, and nothing that the server could compress.
    letters = "".join(chr(0x20000 + number * number * 7919 % 40_009) for number in range(900))
    rare = f"{letters[:200]}/{letters[200:400]}/{letters[400:]}"
    (tmp_path / "a.xml").write_bytes(suite(case(seen=long), case(rare)))
    line = '{"clause": "c/k/n", "verdict": "kept", "started": "2026-03-12T02:00:11Z", "seen": "a\\u0000b"}'
    (tmp_path / "evidence.jsonl").write_text(line)
    with History(address) as history:
        assert add_files(history, sorted(tmp_path.iterdir()), ImportDefaults()).new == 2

    assert long in str(held(address))
    assert "a\N{REPLACEMENT CHARACTER}b" in str(held(address))


def test_empty_database_is_not_a_history(address: ServerAddress) -> None:
    with pytest.raises(InputError, match="no history in this database") as refused:
        History(address, write=False)
    assert SECRET not in str(refused.value)


def test_newer_tables_are_refused(address: ServerAddress) -> None:
    with History(address) as history:
        history._connection.execute("UPDATE version SET number = ?", (len(tables.MIGRATIONS) + 1,))

    for write in (True, False):
        with pytest.raises(HistoryError, match="upgrade builder-contracts") as refused:
            History(address, write=write)
        assert SECRET not in str(refused.value)


def test_writer_that_waits_too_long_says_so(address: ServerAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder_contracts.dashboard.history.store.BUSY_SECONDS", 0.05)
    with History(address) as first, History(address) as second:
        first._connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(HistoryError, match=r"locked by another process for 0\.05 s; nothing was added"):
            second.add([])


def test_password_is_in_no_output(address: ServerAddress, tmp_path: Path) -> None:
    database = address.url.partition("@/")[2]
    (file,) = reports(tmp_path, 1)
    unclear = f"postgresql://builder:12/{SECRET}@/{database}"
    running = [
        (0, start("history", "add", "--history", address.url, file)),
        (4, start("history", "show", "--history", f"postgresql://nobody:{SECRET}@/{database}")),
        (3, start("history", "show", "--history", f"postgresql://builder:{SECRET}%zz@/{database}")),
        (3, start("history", "show", "--history", unclear)),
    ]
    for code, process in running:
        out, errors = process.communicate(timeout=100)
        assert SECRET not in out + errors
        assert "Traceback" not in errors
        assert process.returncode == code, errors
        assert "postgresql://" in out + errors


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (
            "postgresql://me:secret@db.example:5433/nights?sslmode=require",
            "postgresql://me@db.example:5433/nights",
        ),
        ("postgres://db.example/nights?password=secret", "postgresql://db.example/nights"),
        ("postgresql://me:sec/ret@db.example/nights", "postgresql://"),
        ("postgresql://me:12/secret@db.example/nights", "postgresql://"),
        ("postgresql://me:12#secret@db.example/nights", "postgresql://"),
        ("postgresql://[secret", "postgresql://"),
    ],
)
def test_address_as_text_has_no_password(url: str, text: str) -> None:
    assert str(ServerAddress(url)) == text
