"""The commands history and dashboard as people type them; the local server."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder_contracts.dashboard.site.preview_server import Server
from tests.dashboard.reports import case, suite

MAIN = "from builder_contracts.cli import main; main()"


def command(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def report(folder: Path, *cases: str, name: str = "junit.xml") -> Path:
    path = folder / name
    path.write_bytes(suite(*(cases or (case(),))))
    return path


def test_reports_become_a_site_in_two_commands(tmp_path: Path) -> None:
    report(tmp_path)

    added = command("history", "add", "--history", "h.db", "junit.xml", cwd=tmp_path)
    built = command(
        "dashboard",
        "build",
        "--history",
        "h.db",
        "--out",
        "site",
        "--as-of",
        "2026-03-12T08:00:00Z",
        cwd=tmp_path,
    )

    assert (added.returncode, added.stdout) == (
        0,
        "h.db: added 1 file with 1 result; now holds 1 run, 1 clause\n",
    )
    assert built.returncode == 0, built.stderr
    assert built.stdout.startswith("site/index.html: built 5 pages in ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["h.db", "junit.xml", "site"]


def test_a_site_of_the_past_knows_nothing_of_what_came_after(tmp_path: Path) -> None:
    measured = {"measured__cold_seconds": "90"}
    later = report(tmp_path, case(started="2026-03-12T02:00:00Z", verdict="broken", **measured), name="b.xml")
    sooner = report(tmp_path, case(started="2026-03-11T02:00:00Z", **measured), name="a.xml")
    command("history", "add", "--history", "h.db", sooner, later, cwd=tmp_path)

    states = {}
    for day in ("10", "11", "12"):
        stamp = f"2026-03-{day}T02:00:00Z"
        done = command(
            *("dashboard", "build", "--history", "h.db", "--out", day, "--as-of", stamp), cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        states[day] = [
            (environment["night"], environment["states"]["broken"])
            for environment in json.loads((tmp_path / day / "index.json").read_text())["environments"]
        ]

    assert states == {"10": [], "11": [("2026-03-11", 0)], "12": [("2026-03-12", 1)]}
    (canary,) = json.loads((tmp_path / "11" / "canaries.json").read_text())["groups"]
    assert len(canary["clauses"][0]["measured"][0]["readings"]) == 1
    assert "No class had reported by <time" in (tmp_path / "10" / "index.html").read_text("utf-8")


@pytest.mark.parametrize("address", ["https://o.example/repo", "https://o.example/repo/"])
def test_feed_links_work_with_and_without_trailing_slash(tmp_path: Path, address: str) -> None:
    command("history", "add", "--history", "h.db", report(tmp_path), cwd=tmp_path)

    command("dashboard", "build", "--history", "h.db", "--out", "s", "--base-url", address, cwd=tmp_path)

    assert 'xml:base="https://o.example/repo/"' in (tmp_path / "s" / "feed.atom").read_text("utf-8")


def test_directory_stands_for_its_reports(tmp_path: Path) -> None:
    (tmp_path / "night" / "a").mkdir(parents=True)
    report(tmp_path / "night" / "a")
    report(tmp_path / "night", case("tinyland-nix/toolchain/git"))
    (tmp_path / "night" / "empty.xml").write_text("<testsuites/>")

    first = command("history", "add", "--history", "h.db", "night", "--json", cwd=tmp_path)
    second = command("history", "add", "--history", "h.db", "night", cwd=tmp_path)

    counts = {"new": 3, "known": 0, "results": 2}
    warning = "night/empty.xml:1: lists no test, so nothing was judged"
    assert json.loads(first.stdout).items() >= counts.items()
    assert json.loads(first.stdout)["warnings"][0].startswith(warning)
    assert f"warning: {warning}" in first.stderr
    assert "3 already present" in second.stdout


def test_show_says_what_a_history_holds(tmp_path: Path) -> None:
    command("history", "add", "--history", "h.db", report(tmp_path), cwd=tmp_path)

    plain = command("history", "show", "--history", "h.db", cwd=tmp_path)
    shown = json.loads(command("history", "show", "--history", "h.db", "--json", cwd=tmp_path).stdout)

    assert "embedded  tinyland-nix" in plain.stdout
    assert shown["classes"][0]["started"] == "2026-03-12T02:00:11Z"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["h.db", "junit.xml"]


def test_names_that_are_no_text_are_spelt_out(tmp_path: Path) -> None:
    path = report(tmp_path, case(clause="", environment=""), name=os.fsdecode(b"night-\xff.xml"))

    added = command(
        *("history", "add", "--history", "h.db", path, "--environment", os.fsdecode(b"pool-\xff")),
        cwd=tmp_path,
    )
    shown = command("history", "show", "--history", "h.db", cwd=tmp_path)

    assert added.returncode == 0, added.stderr
    assert "pool-\\xff  night-\\xff" in shown.stdout


def test_no_word_of_a_report_acts_on_the_terminal(tmp_path: Path) -> None:
    path = report(
        tmp_path, case("nix\u202e/toolchain/xz", environment="pool\x9b31m", image_digest="sha\x9b2J")
    )
    command("history", "add", "--history", "h.db", path, cwd=tmp_path)
    lines = command("history", "show", "--history", "h.db", cwd=tmp_path).stdout.splitlines()
    assert all(line.isprintable() for line in lines)
    assert "pool\\x9b31m  nix\\u202e" in lines[1]


def test_a_bad_report_is_named_and_the_good_one_is_added(tmp_path: Path) -> None:
    report(tmp_path)
    (tmp_path / "evil.xml").write_text("<!DOCTYPE x [<!ENTITY a 'b'>]><testsuite/>")

    done = command("history", "add", "--history", "h.db", "junit.xml", "evil.xml", cwd=tmp_path)

    assert done.returncode == 3
    assert "added 1 file with 1 result" in done.stdout
    assert "evil.xml:1: declares a document type" in done.stderr
    assert "fix:" in done.stderr
    assert "Traceback" not in done.stderr


BAD = {
    "no file named": (("history", "add", "--history", "h.db"), "pass at least one JUnit file"),
    "a file that is not there": (
        ("history", "add", "--history", "h.db", "no.xml"),
        "no.xml:1: no such file",
    ),
    "a folder without reports": (
        ("history", "add", "--history", "h.db", "."),
        "no .xml files in this directory",
    ),
    "a folder without evidence": (
        ("history", "add", "--history", "h.db", "--evidence", "."),
        "no evidence.jsonl",
    ),
    "a time that is none": (
        ("history", "add", "--history", "h.db", "mine/precious", "--started", "now"),
        "--started: 'now' is not a timestamp",
    ),
    "no history": (
        ("dashboard", "build", "--history", "no.db", "--out", "s"),
        "no such history file",
    ),
    "a folder of one's own": (
        ("dashboard", "demo", "--out", "mine", "--nights", "1"),
        "not a site built by builder-contracts",
    ),
    "an address that is none": (
        ("dashboard", "build", "--history", "h.db", "--out", "s", "--base-url", "example.org/contracts"),
        "'example.org/contracts' is not an http(s) URL",
    ),
    "an address with half a bracket": (
        ("dashboard", "build", "--history", "h.db", "--out", "s", "--base-url", "http://[::1/"),
        "is not an http(s) URL",
    ),
    "the current folder": (
        ("dashboard", "demo", "--out", ".", "--nights", "1"),
        "contains the current directory",
    ),
    "a date that is none": (("dashboard", "demo", "--out", "s", "--until", "soon"), "'soon' is not a date"),
    "no nights": (("dashboard", "demo", "--out", "s", "--nights", "0"), "is not in the range"),
    "evidence that never ages": (
        ("dashboard", "build", "--history", "h", "--out", "s", "--stale-days", "0"),
        "range",
    ),
    **{
        f"an age of {days} in {name[-1]}": ((*name, "--history", "h", "--stale-days", days), "'--stale-days'")
        for days in ("nan", "inf")
        for name in (("dashboard", "build", "--out", "s"), ("dashboard", "serve"), ("nightly", "summary"))
    },
    "evidence that was never fresh": (
        ("nightly", "issues", "--history", "h", "--stale-days", "-1"),
        "is not in the range",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_exits_3_with_message_and_leaves_nothing(what: str, tmp_path: Path) -> None:
    arguments, message = BAD[what]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").write_text("")

    done = command(*arguments, cwd=tmp_path)

    assert done.returncode == 3, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "precious"]


def test_help_teaches_with_examples() -> None:
    for name in ("history", "dashboard", "nightly"):
        done = command(name, "--help")
        assert done.returncode == 0
        assert "Examples:" in done.stdout


def test_the_demonstration_is_the_same_for_everybody(tmp_path: Path) -> None:
    for name in ("one", "two"):
        done = command(
            "dashboard", "demo", "--out", name, "--until", "2026-03-12", "--nights", "3", cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr

    first, two = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("one", "two")
    )
    assert first == two
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


# --- serve -----------------------------------------------------------------------------------------


class Site:
    """A server whose site is a page with the number of the build."""

    def __init__(self, folder: Path) -> None:
        self.history = folder / "h.db"
        self.history.write_text("1")
        self.server = Server(self.build, self.history, 0)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()

    def build(self, out: Path) -> None:
        text = self.history.read_text()
        if text == "bad":
            raise ValueError(text)
        shutil.rmtree(out, ignore_errors=True)
        (out / "sub").mkdir(parents=True)
        (out / "index.html").write_text(f"<html><head></head><body>build {text}</body></html>")
        (out / "index.json").write_text("{}")

    def get(self, path: str, host: str = "") -> tuple[int, str]:
        request = urllib.request.Request(self.server.url + path)  # noqa: S310 - a loopback address
        if host:
            request.add_header("Host", host)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - a loopback address
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.server.shutdown()
    site.thread.join()
    site.server.close()


def test_serves_the_site_with_a_script_that_reloads_it(served: Site) -> None:
    status, page = served.get("")

    assert status == 200
    assert "build 1" in page
    assert '<script src="/_reload.js"></script></head>' in page
    assert served.get("index.json") == (200, "{}")
    assert served.get("_reload.js")[0] == 200


def test_history_change_triggers_rebuild_and_reload(served: Site) -> None:
    build = served.get("_reload?now=")[1]
    waiting: list[str] = []
    thread = threading.Thread(target=lambda: waiting.append(served.get(f"_reload?now={build}")[1]))
    thread.start()
    served.history.write_text("2 is longer")
    thread.join(timeout=30)

    assert waiting == [str(int(build) + 1)]
    assert "build 2" in served.get("")[1]


def test_unreadable_history_keeps_the_served_pages(served: Site) -> None:
    served.history.write_text("bad")
    served.server._stop.wait(2.5)

    assert "build 1" in served.get("")[1]


@pytest.mark.parametrize("path", ["../h.db", "%2e%2e/h.db", "..%2fh.db", "sub/", "none.html"])
def test_nothing_but_the_site_is_served(served: Site, path: str) -> None:
    assert served.get(path)[0] in (400, 404)


def test_preview_server_rejects_foreign_hostnames(served: Site) -> None:
    assert served.get("", host="evil.example")[0] == 403
    assert served.get("", host="localhost:1")[0] == 200


def test_it_listens_on_this_machine_only_and_leaves_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    folder = site.server._folder
    assert site.server.url.startswith("http://127.0.0.1:")
    site.server.shutdown()
    site.thread.join()
    site.server.close()

    assert not folder.exists()


def test_shutdown_during_a_build_leaves_nothing(tmp_path: Path) -> None:
    begun, ended = threading.Event(), threading.Event()

    class Slow(Site):
        def build(self, out: Path) -> None:
            if self.history.read_text() != "1":
                begun.set()
                # Longer than the folder takes to be removed.
                self.server._stop.wait(30)
                time.sleep(0.3)
            super().build(out)
            if begun.is_set():
                ended.set()

    site = Slow(tmp_path)
    folder = site.server._folder
    site.history.write_text("2 is longer")
    assert begun.wait(30)
    site.server.shutdown()
    site.thread.join()
    site.server.close()

    assert ended.wait(30)
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_with_a_signal_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    command("history", "add", "--history", "h.db", report(tmp_path), cwd=tmp_path)
    with subprocess.Popen(
        [sys.executable, "-u", "-c", MAIN, "dashboard", "serve", "--history", "h.db"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as started:
        assert started.stdout is not None
        try:
            match = re.search(r"http://127\.0\.0\.1:\d+/", started.stdout.readline())
            assert match
            with urllib.request.urlopen(match[0], timeout=30) as page:  # noqa: S310 - a loopback address
                assert b"tinyland-nix" in page.read()
            started.send_signal(number)
            _, errors = started.communicate(timeout=30)
        finally:
            started.kill()
    assert "Traceback" not in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["h.db", "junit.xml"]
