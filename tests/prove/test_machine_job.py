"""A job on this machine by itself: discreet, ended with its run, and its files its own."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder_contracts.prove import image, publication, workplace
from builder_contracts.prove.discreet import Mask
from builder_contracts.prove.endpoints import Endpoint
from builder_contracts.prove.job import Failed
from builder_contracts.prove.machine import MachineBench, MachineJob
from builder_contracts.prove.store_lookup import ANOTHER, SECOND
from builder_contracts.runner.local import local_runner
from builder_contracts.runner.protocol import Completed
from builder_contracts.services.identities import Credentials
from tests.prove.conftest import GIVEN, machine_bench
from tests.prove.stub import Answer, Asked, Files, stub


@pytest.fixture
def bench(tmp_path: Path) -> MachineBench:
    return machine_bench(tmp_path, nix="http://cache.example")


def test_what_a_tool_prints_of_a_secret_is_masked_byte_for_byte(bench: MachineBench) -> None:
    told = [GIVEN.reader.secret, GIVEN.writer.authorization, "c2lnbmluZyBrZXk=", "nothing of the kind"]
    with bench.fresh("talk") as job:
        Path(job.folder).mkdir()
        done = job.run(["printf", "%s\\n", *told], deadline=10)
    lines = done.stdout.decode().splitlines()
    assert [len(line) for line in lines] == [len(line) for line in told]
    assert lines == ["*" * 15, "Basic " + "*" * (len(told[1]) - 6), "*" * 16, "nothing of the kind"]


def test_of_a_secret_that_holds_another_nothing_is_left() -> None:
    given = Credentials.from_texts("reader:a-secret", "writer:a-secret-of-hers")
    mask = Mask.of([Endpoint("nix", "http://cache.example", "", given)])
    assert mask.over(b"a-secret-of-hers, a-secret") == b"****************, ********"


def test_who_reads_and_writes_as_one_is_no_other_than_himself(tmp_path: Path) -> None:
    mine = machine_bench(tmp_path, nix="http://cache.example")
    one = dataclasses.replace(mine.endpoints["nix"], credentials=Credentials.from_texts("me:mine", "me:mine"))
    assert mine.reader_description("nix") == ANOTHER
    assert dataclasses.replace(mine, endpoints={"nix": one}).reader_description("nix") == SECOND


def test_a_job_has_a_home_of_its_own_and_leaves_nothing(
    bench: MachineBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/else")
    monkeypatch.setenv("DOCKER_CONFIG", "/somewhere/else")
    with bench.fresh("look") as job, bench.fresh("look") as other:
        Path(job.folder).mkdir()
        script = 'echo "$HOME $XDG_CACHE_HOME $TMPDIR ${DOCKER_CONFIG-none}"; mkdir "$TMPDIR/kept"; chmod 0 "$TMPDIR/kept"'
        home, cache, temporary, docker = job.run(["sh", "-c", script], deadline=10).stdout.decode().split()
        assert (home, docker) == (job.home, "none")
        assert cache.startswith(f"{home}/")
        assert temporary.startswith(f"{home}/")
        assert other.home != job.home
    assert list(bench.root.iterdir()) == []


def test_an_ended_run_ends_its_commands_and_begins_no_other(bench: MachineBench) -> None:
    with bench.fresh("sleep") as job, ThreadPoolExecutor() as pool:
        Path(job.folder).mkdir()
        running = pool.submit(job.run, ["sleep", "100"], deadline=100)
        while not any(b"sleep" in line for line in processes(job.home)):
            time.sleep(0.02)
        bench.ending.end(lambda: workplace.kill(bench.root))
        assert running.result(timeout=10).status != 0
        assert job.run(["true"], deadline=10).ended == "the run was stopped"


def test_an_ended_run_writes_nothing_and_takes_back_what_it_wrote(tmp_path: Path) -> None:
    files = Files(theirs="kept", mine="written")
    with stub(files) as server:
        mine = machine_bench(tmp_path, nix=server.url)
        with mine.fresh("publish") as job:
            mine.ending.end(lambda: workplace.kill(mine.root))
            with pytest.raises(Failed, match="the run was stopped"):
                publication.prove(mine, "nix", job)
        assert {*server.methods} == {"HEAD"}, "an ended run may look what there is to take back, no more"
        with pytest.raises(Failed, match="the run was stopped"), mine.fresh("another"):
            pass
        (answer,) = mine.undo([{"kind": "http", "method": "DELETE", "url": f"{server.url}/mine"}])
    assert answer["status"] == "204"
    assert [*files.held] == ["/theirs"]


def test_requests_that_are_under_way_end_with_the_run(bench: MachineBench) -> None:
    asked, over = threading.Event(), threading.Event()

    def hang(_: object) -> Answer:
        asked.set()
        over.wait(60)
        return Answer(201)

    with stub(hang) as server, ThreadPoolExecutor() as pool:
        put = {"kind": "http", "method": "PUT", "url": f"{server.url}/mine", "body": ""}
        asking = pool.submit(bench.ask, [put, put])
        assert asked.wait(60)
        bench.ending.end(lambda: workplace.kill(bench.root))
        with pytest.raises(Failed, match="sending requests"):
            asking.result(timeout=60)
        over.set()
    assert server.methods == ["PUT"]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a program in the place of Docker's client is asked to do; it knows one image."""
    program, told = tmp_path / "bin" / "docker", tmp_path / "told"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >>{told}\n[ "$2" = ls ] && echo built\nexit 0\n', "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return told


def test_what_a_job_changed_outside_of_its_folder_is_put_back_after_the_end(
    bench: MachineBench, told: Path
) -> None:
    with bench.fresh("image") as job:
        Path(job.folder).mkdir()
        bench.ending.end(lambda: workplace.kill(bench.root))
        image.remove_image(job, "before")
        assert not told.exists()
        image.remove_image(job.last, "before")
    assert told.read_text("utf-8").splitlines()[1:] == ["image rm --force built", "tag before canary-image"]


def test_an_image_of_which_an_ended_run_cannot_say_whose_it_is_stays(bench: MachineBench, told: Path) -> None:
    with bench.fresh("image") as job:
        Path(job.folder).mkdir()
        bench.ending.end(lambda: workplace.kill(bench.root))
        before = image.find_image(job)
        image.remove_image(job.last, before)
    assert [line.split()[:2] for line in told.read_text("utf-8").splitlines()] == [["image", "ls"]]


def test_what_the_end_kills_while_it_puts_something_back_is_done_once_more(bench: MachineBench) -> None:
    with bench.fresh("put-back") as job, ThreadPoolExecutor() as pool:
        mark = Path(job.folder) / "begun"
        mark.parent.mkdir()
        undo = f"[ -e {mark} ] && exit; : >{mark}; sleep 100"
        undoing = pool.submit(job.last.run, ["sh", "-c", undo], deadline=100)
        while not mark.exists():
            time.sleep(0.02)
        bench.ending.end(lambda: workplace.kill(bench.root))
        assert undoing.result(timeout=60).status == 0


@pytest.mark.parametrize("before", ["", "x" * 290], ids=["at once", "where a report is cut"])
def test_what_a_server_says_of_a_secret_is_masked(bench: MachineBench, before: str) -> None:
    def echo(asked: Asked) -> Answer:
        return Answer(403, f"{before} no {asked.shown} may write".encode())

    with stub(echo) as server:
        put = {
            "kind": "http",
            "method": "PUT",
            "url": server.url,
            "body": "",
            "headers": bench.headers("nix", "writer"),
        }
        (answer,) = bench.ask([put])
    secret = GIVEN.writer.authorization.rpartition(" ")[2]
    assert answer["status"] == "403"
    assert "no Basic" in answer["detail"] or before
    assert secret[:4] not in answer["detail"]
    assert len(answer["detail"]) <= 300


def test_what_a_client_that_fails_says_of_a_secret_is_masked(
    bench: MachineBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = Completed(1, b"", f"{'x' * 480} {GIVEN.writer.authorization}".encode())
    monkeypatch.setattr(bench, "send", lambda *_, **__: died)
    with pytest.raises(Failed, match=r"x Basic \*+$"):
        bench.ask([])


def processes(home: str) -> list[bytes]:
    """The command lines of what runs in a home."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if home.encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes())
    return found


def test_a_file_takes_the_place_of_one_that_may_not_be_written(bench: MachineBench) -> None:
    with bench.fresh("write") as job:
        path = Path(job.folder) / "deep" / "file"
        job.write(str(path), b"first", mode="0444")
        job.write(str(path), b"second")
        assert path.read_bytes() == b"second"
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(Failed, match=r"writing .*/file/below: "):
            job.write(f"{path}/below", b"")


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder of somebody who is not root, as whom the test runs."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    finally:
        os.seteuid(user)


def test_a_file_that_nobody_may_write_to_is_written_by_somebody_who_is_not_root(nobody: Path) -> None:
    job = MachineJob(local_runner(), str(nobody / "proof"))
    job.write(f"{job.folder}/tool", b"content", mode="0444")
    assert (nobody / "proof" / "tool").read_bytes() == b"content"
