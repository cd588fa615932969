"""The history: idempotent, the same in any order, whole under kill -9, shared by writers, versioned."""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.dashboard.demo.report_files import simulate_nights
from builder_contracts.dashboard.demo.story import build_story
from builder_contracts.dashboard.history import evidence_reader, junit_reader, series, tables
from builder_contracts.dashboard.history.import_files import ImportDefaults, ImportSummary, add_files
from builder_contracts.dashboard.history.result import SEVERITY, MeasurementRow, Result
from builder_contracts.dashboard.history.store import History, HistoryError, ImportBatch
from builder_contracts.errors import InputError, Location
from builder_contracts.reporting.jsonl import to_line
from builder_contracts.reporting.verdict_data import to_properties
from builder_contracts.verdict import Origin, Outcome, Rung, Verdict
from tests.dashboard.conftest import LAST
from tests.dashboard.reports import case, suite

STARTED = 1773280811000
NOW = STARTED / 1000 + 3600

TABLES = ("run", "clause", "result", "witness", "measurement", "text")


def result(**changes: Any) -> Result:
    plain = Result(
        environment="tinyland",
        builder="tinyland-nix",
        kind="toolchain",
        name="xz",
        verdict=Outcome.KEPT,
        rung=Rung.LIVE,
        started=STARTED,
        seconds=0.1,
        image_digest="sha256:1",
        contract_digest="sha256:2",
    )
    return plain._replace(**changes)


def batch(*results: Result, digest: bytes = b"1") -> ImportBatch:
    return ImportBatch(digest, "night.xml", results)


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """What a history says, without the numbers that rows happen to have."""
    with History(path, write=False) as history:
        rows = history.rows(
            "SELECT environment, builder, image_digest, contract_digest, started, kind, name, verdict, rung,"
            " seconds, (SELECT value FROM text WHERE id = seen),"
            " (SELECT group_concat(quantity || value) FROM measurement m"
            "   WHERE m.run = result.run AND m.clause = result.clause)"
            " FROM result JOIN run ON run.id = run JOIN (SELECT id, kind, name FROM clause) c ON c.id = clause"
            " ORDER BY 1, 2, 3, 4, 5, 6, 7"
        )
        return {"results": list(rows), "files": list(history.rows("SELECT digest FROM source ORDER BY 1"))}


def write(folder: Path, files: dict[str, bytes]) -> list[Path]:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def add(history: Path, files: Sequence[Path], reading: ImportDefaults | None = None) -> ImportSummary:
    with History(history) as store:
        return add_files(store, files, reading or ImportDefaults())


# --- adding -----------------------------------------------------------------------------------------


def test_adding_twice_is_adding_once(tmp_path: Path) -> None:
    files = write(tmp_path, {"a.xml": suite(case(), case("tinyland-nix/toolchain/git"))})
    history = tmp_path / "history.db"

    first = add(history, files)
    before = history.read_bytes()
    second = add(history, files)

    assert (first.new, first.already_present, first.results) == (1, 0, 2)
    assert (second.new, second.already_present, second.results) == (0, 1, 0)
    assert history.read_bytes() == before


def test_the_same_file_under_another_name_is_known(tmp_path: Path) -> None:
    files = write(tmp_path, {"a.xml": suite(case()), "b.xml": suite(case())})

    assert add(tmp_path / "h.db", files).already_present == 1


def test_junit_and_evidence_of_one_run_are_one_run(tmp_path: Path) -> None:
    verdict = Verdict(
        "tinyland-nix/toolchain/xz",
        Outcome.KEPT,
        Rung.OBSERVED,
        "xz",
        "xz 5.4.1",
        Location("c.yaml", 1),
        origin=Origin(
            image="tinyland-nix",
            image_digest="sha256:1",
            contract_digest="sha256:2",
            environment="tinyland",
            started="2026-03-12T02:00:11Z",
            seconds=0.1,
        ),
        witnesses=("client", "server"),
    )
    evidence = tmp_path / "evidence.jsonl"
    evidence.write_bytes(to_line(verdict))
    properties = dict(to_properties(verdict))
    clause = properties.pop("clause")
    files = [*write(tmp_path, {"a.xml": suite(case(clause, **properties))}), evidence]

    for order in (files, files[::-1]):
        history = tmp_path / f"{order[0].suffix}.db"
        add(history, order)
        with History(history, write=False) as store:
            assert store.size().runs == 1
            assert store.size().results == 1
            (only,) = series.load_snapshot(store).series
            book = series.load_snapshot(store)
            assert book.witnesses(only, only.points[0].run)[:1] in (["client"], ["server"])


def test_result_without_digest_joins_the_run_of_its_class(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        {
            "a.xml": suite(
                case(),
                case("tinyland-nix/image/size", image_digest="", ending="<error/>", verdict="unproven"),
            )
        },
    )
    add(tmp_path / "h.db", files)

    with History(tmp_path / "h.db", write=False) as store:
        assert store.size().runs == 1


def test_merged_reports_of_two_nights_stay_two_runs(tmp_path: Path) -> None:
    merged = suite(
        case(started="2026-03-11T02:00:00Z", verdict="broken"), case(started="2026-03-12T02:00:00Z")
    )
    add(tmp_path / "h.db", write(tmp_path, {"a.xml": merged}))

    with History(tmp_path / "h.db", write=False) as store:
        assert [point.verdict for point in series.load_snapshot(store).series[0].points] == [
            Outcome.BROKEN,
            Outcome.KEPT,
        ]


def test_same_clause_name_is_kept_apart_by_environment(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        {"a.xml": suite(case(), case(environment="tinyland"), case("tinyland-dind/toolchain/xz"))},
    )
    add(tmp_path / "h.db", files)

    with History(tmp_path / "h.db", write=False) as store:
        assert len(series.load_snapshot(store).series) == 3


def test_undated_file_uses_its_modification_time(tmp_path: Path) -> None:
    plain = b"<testsuite name='pytest'><testcase classname='a' name='b'/></testsuite>"
    (path,) = write(tmp_path, {"a.xml": plain})
    os.utime(path, (STARTED / 1000, STARTED / 1000))

    undated = add(tmp_path / "h.db", [path])
    stated = add(tmp_path / "i.db", [path], ImportDefaults(started=STARTED + 5000))

    assert undated.undated == [str(path)]
    assert stated.undated == []
    for name, started in (("h.db", STARTED), ("i.db", STARTED + 5000)):
        with History(tmp_path / name, write=False) as store:
            assert store.size().first == started


def test_import_same_undated_file_twice_with_two_times(
    tmp_path: Path,
) -> None:
    plain = b"<testsuite name='pytest'><testcase classname='a' name='b'/></testsuite>"
    first, second = write(tmp_path, {"1.xml": plain, "2.xml": plain})
    history, earlier, two = (
        tmp_path / "h.db",
        ImportDefaults(started=STARTED),
        ImportDefaults(started=STARTED + 86_400_000),
    )

    for path, reading in ((first, earlier), (first, earlier), (second, two)):
        done = add(history, [path], reading)
        assert (done.undated, done.repeated) == ([], [])
    with History(history, write=False) as store:
        assert (store.size().files, store.size().runs) == (2, 2)

    guessed = add(tmp_path / "i.db", [first, second])
    assert (guessed.undated, guessed.repeated) == ([str(first)], [str(second)])
    assert (guessed.new, guessed.already_present) == (1, 1)


def test_a_bad_file_is_left_out_whole_and_the_others_are_added(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        {
            "good.xml": suite(case()),
            "cut.xml": suite(case("tinyland-nix/toolchain/git"))[:-20],
            "future.xml": suite(case("tinyland-nix/toolchain/jq", started="2126-01-01T00:00:00Z")),
            "klingon.xml": b"<?xml version='1.0' encoding='klingon'?><testsuite/>",
            "half.jsonl": LINE.replace(b'"rung"', b'"seen": "\\ud800", "rung"'),
            "unset.xml": suite(case(started="1970-01-01T00:00:41Z"), attributes=""),
        },
    )
    os.utime(tmp_path / "unset.xml", (41, 41))

    done = add(tmp_path / "h.db", [*files, tmp_path / "absent.xml"])

    assert (done.new, done.results) == (1, 1)
    assert {Path(problem.source.file).name for problem in done.problems} == {
        "cut.xml",
        "future.xml",
        "klingon.xml",
        "half.jsonl",
        "unset.xml",
        "absent.xml",
    }
    assert any("is dated in the future" in problem.message for problem in done.problems)
    assert any("set the time with --started" in problem.fix for problem in done.problems)
    assert len(content(tmp_path / "h.db")["results"]) == 1


def test_parallel_import_equals_serial_import(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        {
            f"{day:03}.xml": suite(case(started=f"2026-01-{day % 28 + 1:02}T{day // 28:02}:00:00Z"))
            for day in range(80)
        },
    )

    add(tmp_path / "many.db", files)
    for file in files:
        add(tmp_path / "one.db", [file])

    assert content(tmp_path / "many.db") == content(tmp_path / "one.db")


# --- the worse of two answers, in any order ------------------------------------------------------------

answers = st.builds(
    result,
    name=st.sampled_from(["xz", "git"]),
    verdict=st.sampled_from(Outcome),
    image_digest=st.sampled_from(["", "sha256:1", "sha256:3"]),
    started=st.sampled_from([STARTED, STARTED + 1000, STARTED - 86_400_000]),
    seconds=st.floats(0, 10),
    measurements=st.sampled_from([(), (MeasurementRow("cold_seconds", 1.0, 2.0),)]),
)


@given(
    st.lists(st.lists(answers, min_size=1, max_size=4), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_history_is_independent_of_import_order(nights: list[list[Result]], chance: Random) -> None:
    def verdicts(order: list[int]) -> list[tuple[object, ...]]:
        with memory() as history:
            for index in order:
                history.add([batch(*nights[index], digest=bytes([index]))], now=NOW)
            return list(
                history.rows(
                    "SELECT image_digest, started, name, verdict FROM result JOIN run ON run.id = run"
                    " JOIN clause ON clause.id = clause ORDER BY 1, 2, 3"
                )
            )

    order = list(range(len(nights)))
    shuffled = order * 2
    chance.shuffle(shuffled)
    expected = verdicts(order)
    assert verdicts(shuffled) == expected
    for *_, verdict in expected:
        assert verdict in SEVERITY.values()


def memory() -> History:
    """A history that has no file: what a property test opens by the hundred."""
    history = History.__new__(History)
    history.path = Path(":memory:")
    history._texts, history._clauses = {}, {}
    history._connection = sqlite3.connect(":memory:", isolation_level=None)
    tables.migrate(history._connection)
    return history


def test_of_two_answers_in_one_run_the_worse_stays() -> None:
    with memory() as history:
        history.add([batch(result(verdict=Outcome.BROKEN, seen="gone"), digest=b"1")], now=NOW)
        history.add([batch(result(verdict=Outcome.KEPT, seen="there"), digest=b"2")], now=NOW)
        history.add([batch(result(verdict=Outcome.UNPROVEN, seen="?"), digest=b"3")], now=NOW)

        (point,) = series.load_snapshot(history).series[0].points
        assert point.verdict is Outcome.BROKEN
        assert series.load_snapshot(history).text(point.seen) == "gone"


# --- refusals ------------------------------------------------------------------------------------------


def test_failed_batch_leaves_nothing_and_next_works() -> None:
    with memory() as history:
        with pytest.raises(InputError, match="in the future"):
            history.add([batch(result()), batch(result(started=STARTED * 2), digest=b"2")], now=NOW)
        assert history.size().results == 0
        assert not history.has_file(b"1")

        assert history.add([batch(result())], now=NOW)
        assert history.size().results == 1


@pytest.mark.parametrize(
    "data", [b"this is no database at all, but long enough to be one", b"PK\x03\x04" * 400]
)
def test_a_file_that_is_no_history_is_refused_and_left_alone(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "h.db"
    path.write_bytes(data)

    for mode in (True, False):
        with pytest.raises(InputError, match="not a history file"):
            History(path, write=mode)
    assert path.read_bytes() == data


def test_another_program_s_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    before = path.read_bytes()

    for mode in (True, False):
        with pytest.raises(InputError, match="not a history file"):
            History(path, write=mode)
    assert path.read_bytes() == before


PAGE = 4096


def overwritten(data: bytes) -> bytes:
    return data[:PAGE] + bytes(range(256)) * 32 + data[PAGE + 8192 :]


def with_a_page_twice(data: bytes) -> bytes:
    return data[: 2 * PAGE] + data[PAGE : 2 * PAGE] + data[3 * PAGE :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "overwritten": overwritten,
    "a page twice": with_a_page_twice,
    "cut short": lambda data: data[: len(data) // 2],
    "its head alone": lambda data: data[:500],
    "of no version": lambda data: data[:60] + bytes(4) + data[64:],
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_history_is_said_to_be_damaged_with_what_to_do(tmp_path: Path, how: str) -> None:
    path = tmp_path / "h.db"
    with History(path) as history:
        history.add([batch(*(result(name=f"tool-{number}") for number in range(2000)))], now=NOW)
    damaged = DAMAGE[how](path.read_bytes())

    for write in (False, True) if how != "a page twice" else (False,):
        path.write_bytes(damaged)
        with (
            pytest.raises(HistoryError, match=r"is corrupt .*restore the last stored copy"),
            History(path, write=write) as history,
        ):
            history.add([batch(result(), digest=b"2")], now=NOW)


def test_what_sqlite_cannot_find_while_reading_is_damage_too() -> None:
    with memory() as history:
        history.add([batch(result())], now=NOW)
        history._connection.execute("DELETE FROM text")
        book = series.load_snapshot(history)
        with pytest.raises(HistoryError, match="a text is missing"):
            book.text(book.series[0].points[0].seen)
        history._connection.execute("DROP TABLE result")
        for read in (history.size, lambda: series.load_snapshot(history)):
            with pytest.raises(HistoryError, match="is corrupt"):
                read()


def test_a_history_of_a_newer_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    History(path).close()
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {len(tables.MIGRATIONS) + 1}")
    newer.close()

    for mode in (True, False):
        with pytest.raises(HistoryError, match="upgrade builder-contracts"):
            History(path, write=mode)


def test_a_history_that_is_not_there_is_only_made_by_a_writer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such history file"):
        History(tmp_path / "h.db", write=False)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(HistoryError, match="cannot open"):
        History(tmp_path / "no" / "folder" / "h.db")


def test_a_full_disk_adds_nothing_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    with History(path) as history:
        history.add([batch(result())], now=NOW)
        history._connection.execute("PRAGMA max_page_count = 1")
        many = [result(name=f"tool-{number}", seen="x" * 500) for number in range(500)]

        with pytest.raises(HistoryError, match="full; nothing was added"):
            history.add([batch(*many, digest=b"2")], now=NOW)

    with History(path) as history:
        assert history.size().results == 1
        assert history.add([batch(*many, digest=b"2")], now=NOW)


# --- versions --------------------------------------------------------------------------------------------


MORE = (
    *tables.MIGRATIONS,
    "ALTER TABLE run ADD COLUMN note TEXT NOT NULL DEFAULT 'old';",
    "CREATE TABLE x (y);",
)


def test_older_tables_become_newer_ones_with_everything_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "h.db"
    with History(path) as history:
        history.add([batch(result(verdict=Outcome.BROKEN))], now=NOW)
    monkeypatch.setattr(tables, "MIGRATIONS", MORE)
    connection = sqlite3.connect(path, isolation_level=None)

    tables.migrate(connection)

    assert connection.execute("PRAGMA user_version").fetchone() == (len(MORE),)
    assert connection.execute("SELECT note, verdict FROM run JOIN result ON run = id").fetchall() == [
        ("old", 3)
    ]
    tables.migrate(connection)
    connection.close()


def test_reader_migrates_a_copy_and_leaves_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "h.db"
    with History(path) as history:
        history.add([batch(result())], now=NOW)
    before = path.read_bytes()
    monkeypatch.setattr(tables, "MIGRATIONS", MORE)

    with History(path, write=False) as history:
        assert list(history.rows("SELECT note FROM run")) == [("old",)]

    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_the_older_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "h.db"
    History(path).close()
    connection = sqlite3.connect(path, isolation_level=None)
    before = path.read_bytes()
    bad = "CREATE TABLE y (z);\nCREATE TABLE run (again);"
    monkeypatch.setattr(tables, "MIGRATIONS", (*tables.MIGRATIONS, bad))

    with pytest.raises(sqlite3.OperationalError):
        tables.migrate(connection)

    connection.close()
    assert path.read_bytes() == before


RECORDED = Path(__file__).parent / "histories"


@pytest.mark.parametrize("dump", sorted(RECORDED.glob("*.sql")), ids=lambda path: path.stem)
def test_released_histories_are_read_and_extended(dump: Path, tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    connection = sqlite3.connect(path)
    connection.executescript(dump.read_text("utf-8"))
    connection.close()

    with History(path) as history:
        history.add([batch(result(name="new"), digest=b"new")], now=NOW)
        book = series.load_snapshot(history)

    assert len(book.series) == 3
    assert [point.verdict for point in book.series[0].points] == [Outcome.KEPT, Outcome.BROKEN]


# --- several writers, and a killed one ---------------------------------------------------------------------

ADD = "from builder_contracts.cli import main; main()"


def nights(folder: Path, count: int) -> list[Path]:
    files = []
    for name, text in simulate_nights(build_story()[:2], last=LAST, count=count):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        files.append(path)
    return files


def start(history: Path, files: Sequence[Path]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ADD, "history", "add", "--history", str(history), *map(str, files)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    files = nights(tmp_path, 30)
    # Made by neither beforehand: both find no file, and both try to make the tables.
    writers = [start(tmp_path / "both.db", part) for part in (files[:40], files[20:], files[::3])]

    for writer in writers:
        output, _ = writer.communicate(timeout=120)
        assert writer.returncode == 0, output

    add(tmp_path / "one.db", files)
    assert content(tmp_path / "both.db") == content(tmp_path / "one.db")


def test_killed_writer_loses_nothing_it_reported(tmp_path: Path) -> None:
    files = nights(tmp_path, 45)
    history = tmp_path / "killed.db"
    sizes = []
    for delay in (0.3, 0.5, 0.7, 0.9):
        writer = start(history, files)
        time.sleep(delay)
        os.killpg(writer.pid, signal.SIGKILL)
        writer.communicate()
        if history.exists():
            with History(history) as store:
                assert list(store.rows("PRAGMA integrity_check")) == [("ok",)]
                sizes.append(store.size().files)
                counted = "SELECT coalesce(sum(results), 0) FROM source"
                assert list(store.rows(counted)) == [(store.size().results,)]
    assert sizes == sorted(sizes)

    add(history, files)
    add(tmp_path / "one.db", files)
    assert content(history) == content(tmp_path / "one.db")


def test_killed_import_leaves_the_history_as_it_was(tmp_path: Path) -> None:
    history = tmp_path / "h.db"
    with History(history) as store:
        store.add([batch(result())], now=NOW)
    # Dies inside the transaction, after rows were written and pages were spilled to the file.
    script = (
        "import os, sys, sqlite3\n"
        "from pathlib import Path\n"
        "from builder_contracts.dashboard.history.store import History, ImportBatch\n"
        "from tests.dashboard.test_store import result, NOW\n"
        "history = History(Path(sys.argv[1]))\n"
        "history._connection.execute('PRAGMA cache_size = 2')\n"
        "def batches():\n"
        "    yield ImportBatch(b'2', 'x', [result(name=f'n{i}', seen='x' * 999) for i in range(2000)])\n"
        "    os.kill(os.getpid(), 9)\n"
        "history.add(batches(), now=NOW)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(history)], cwd=Path(__file__).parents[2], timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "h.db-journal").exists(), "the writer did not die in the middle: this shows nothing"

    with History(history, write=False) as store:
        assert store.size().results == 1
        assert list(store.rows("PRAGMA integrity_check")) == [("ok",)]


def test_readers_of_a_killed_parent_end_with_it(tmp_path: Path) -> None:
    files = nights(tmp_path, 45)
    writer = start(tmp_path / "h.db", files * 40)
    started = time.monotonic()
    while len(members(writer.pid)) < 3 and time.monotonic() - started < 30:
        time.sleep(0.02)
    assert len(members(writer.pid)) >= 3, "no other process was reading: this shows nothing"
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    deadline = time.monotonic() + 15
    while (left := members(writer.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def members(group: int) -> list[int]:
    """The processes of a process group that are alive."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, process_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if process_group == str(group) and state != "Z":
                members.append(int(entry.name))
    return members


@pytest.mark.parametrize(
    ("verdict", "provable", "limit"),
    [("unproven", "no", True), ("unproven", "yes", False), ("kept", "no", False), ("unproven", "", False)],
)
def test_host_limit_is_read_and_stored(tmp_path: Path, verdict: str, provable: str, limit: bool) -> None:
    (tmp_path / "r.xml").write_bytes(suite(case(verdict=verdict, rung="", provable_here=provable)))
    record = json.loads(LINE) | {"verdict": verdict, "rung": "", "provable_here": provable}
    (tmp_path / "evidence.jsonl").write_text(json.dumps(record))
    with History(tmp_path / "h.db") as store:
        add_files(store, [tmp_path / "r.xml", tmp_path / "evidence.jsonl"], ImportDefaults())
        points = [point for clause in series.load_snapshot(store).series for point in clause.points]

    assert [point.host_limit for point in points] == [limit, limit]


# --- evidence.jsonl --------------------------------------------------------------------------------------

LINE = (
    b'{"clause": "c/k/n", "verdict": "kept", "started": "2026-03-12T02:00:11Z", "seconds": 1.5, "rung": "C2"}'
)

BAD_EVIDENCE = {
    "no JSON": (b"{", "is not valid JSON"),
    "no object": (b"[1]", "is not a JSON object"),
    "no clause": (b'{"verdict": "kept", "started": "x"}', "is missing clause"),
    "a clause without a kind": (LINE.replace(b"c/k/n", b"c"), "expected CLASS/KIND/NAME"),
    "an unknown verdict": (LINE.replace(b"kept", b"great"), "contains an invalid value"),
    "a time that is none": (
        LINE.replace(b"2026-03-12T02:00:11Z", b"now"),
        "contains an invalid value",
    ),
    "seconds that are none": (LINE.replace(b"1.5", b'"fast"'), "has number 'fast', expected 0 to 1e+15"),
    "a number that no plot can show": (
        LINE.replace(b'"rung"', b'"measured.cold_seconds": 1.79e308, "rung"'),
        "has number '1.79e+308'",
    ),
    "today's version without an outcome": (
        LINE.replace(b'{"clause"', b'{"schema": "builder-contracts/verdict/v2", "clause"'),
        "is missing outcome",
    ),
    "a measurement that is none": (
        LINE.replace(b'"rung"', b'"measurements": [1], "rung"'),
        "has measurement '1', expected an object",
    ),
    "half a character": (
        LINE.replace(b'"rung"', b'"seen": "\\ud800", "rung"'),
        "contains an unpaired surrogate",
    ),
    "a line without an end": (b'{"a": "' + b"x" * (2 << 20), "exceeds 1024 KiB"),
    "nesting without an end": (b"[" * 200_000, "is not valid JSON"),
}


@pytest.mark.parametrize("what", BAD_EVIDENCE)
def test_evidence_that_is_none_is_refused_with_its_line(what: str) -> None:
    data, reason = BAD_EVIDENCE[what]

    with pytest.raises(InputError) as refused:
        evidence_reader.read(io.BytesIO(LINE + b"\n\n" + data), "evidence.jsonl")

    (problem,) = refused.value.problems
    assert problem.source.line == 3
    assert reason in problem.message


def test_evidence_of_a_clock_that_was_never_set_has_no_time() -> None:
    (result,) = evidence_reader.read(io.BytesIO(LINE.replace(b"2026-03-12", b"1970-01-01")), "evidence.jsonl")

    assert result.started is None


@pytest.mark.parametrize("length", [1, 20_000])
def test_evidence_and_junit_say_the_same_of_a_verdict(length: int) -> None:
    verdict = Verdict(
        f"c/k/{'n' * min(length, 600)}",
        Outcome.BROKEN,
        Rung.EXERCISED,
        "p",
        "s" * length,
        Location("f", 1),
        cause="c" * length,
        fix="x",
        origin=Origin(started="2026-03-12T02:00:11Z"),
        witnesses=("w" * length,),
    )
    properties = dict(to_properties(verdict))
    clause = properties.pop("clause")
    empty = dict.fromkeys(("image", "image_digest", "contract_digest", "environment", "runner"), "")
    from_junit = junit_reader.read(
        io.BytesIO(suite(case(clause, ending="<failure/>", **{**empty, **properties}))), "x"
    )
    assert evidence_reader.read(io.BytesIO(to_line(verdict)), "x") == from_junit
