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

from builder_contracts.prove.endpoints import Endpoint
from builder_contracts.prove.job import StepFailed
from builder_contracts.prove.local_testbed import LocalJob, LocalTestbed
from builder_contracts.prove.publication import docker_push
from builder_contracts.prove.publication import experiment as publication
from builder_contracts.prove.store_lookup import ANOTHER, SECOND
from builder_contracts.redaction import Redactor
from builder_contracts.runner.local import scratch_folder
from builder_contracts.runner.local.runner import local_runner
from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.services.principals import Credentials
from tests.prove.conftest import GIVEN, machine_bench
from tests.prove.stub import Answer, Asked, Files, stub


@pytest.fixture
def bench(tmp_path: Path) -> LocalTestbed:
    return machine_bench(tmp_path, nix="http://cache.example")


def test_secrets_in_output_are_masked_byte_for_byte(bench: LocalTestbed) -> None:
    printed = [GIVEN.reader.secret, GIVEN.writer.authorization, "c2lnbmluZyBrZXk=", "nothing of the kind"]
    with bench.fresh("talk") as job:
        Path(job.folder).mkdir()
        completed = job.run(["printf", "%s\\n", *printed], deadline=10)
    lines = completed.stdout.decode().splitlines()
    assert [len(line) for line in lines] == [len(line) for line in printed]
    assert lines == ["*" * 15, "Basic " + "*" * (len(printed[1]) - 6), "*" * 16, "nothing of the kind"]


def test_secret_that_contains_another_is_masked_whole() -> None:
    credentials = Credentials.from_texts("reader:a-secret", "writer:a-secret-of-hers")
    redactor = Redactor(Endpoint("nix", "http://cache.example", "", credentials).secrets)
    assert redactor.redact_bytes(b"a-secret-of-hers, a-secret") == b"****************, ********"


def test_reader_with_the_writers_credentials_is_not_another(tmp_path: Path) -> None:
    bench = machine_bench(tmp_path, nix="http://cache.example")
    shared = dataclasses.replace(
        bench.endpoints["nix"], credentials=Credentials.from_texts("me:mine", "me:mine")
    )
    assert bench.reader_description("nix") == ANOTHER
    assert dataclasses.replace(bench, endpoints={"nix": shared}).reader_description("nix") == SECOND


def test_job_has_its_own_home_and_leaves_nothing(
    bench: LocalTestbed, monkeypatch: pytest.MonkeyPatch
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


def test_stopped_run_kills_commands_and_starts_none(bench: LocalTestbed) -> None:
    with bench.fresh("sleep") as job, ThreadPoolExecutor() as pool:
        Path(job.folder).mkdir()
        running = pool.submit(job.run, ["sleep", "100"], deadline=100)
        while not any(b"sleep" in line for line in processes(job.home)):
            time.sleep(0.02)
        bench.ending.end(lambda: scratch_folder.kill(bench.root))
        assert running.result(timeout=10).status != 0
        assert job.run(["true"], deadline=10).ended == "the run was stopped"


def test_stopped_run_writes_nothing_and_cleans_up(tmp_path: Path) -> None:
    files = Files(theirs="kept", mine="written")
    with stub(files) as server:
        bench = machine_bench(tmp_path, nix=server.url)
        with bench.fresh("publish") as job:
            bench.ending.end(lambda: scratch_folder.kill(bench.root))
            with pytest.raises(StepFailed, match="the run was stopped"):
                publication.prove(bench, "nix", job)
        assert server.methods == [], "an ended run has written nothing, so there is nothing to look for"
        with pytest.raises(StepFailed, match="the run was stopped"), bench.fresh("another"):
            pass
        (answer,) = bench.undo([{"kind": "http", "method": "DELETE", "url": f"{server.url}/mine"}])
    assert answer["status"] == "204"
    assert [*files.held] == ["/theirs"]


def test_stopped_run_kills_its_requests(bench: LocalTestbed) -> None:
    request, over = threading.Event(), threading.Event()

    def hang(_: object) -> Answer:
        request.set()
        over.wait(60)
        return Answer(201)

    with stub(hang) as server, ThreadPoolExecutor() as pool:
        put = {"kind": "http", "method": "PUT", "url": f"{server.url}/mine", "body": ""}
        asking = pool.submit(bench.ask, [put, put])
        assert request.wait(60)
        bench.ending.end(lambda: scratch_folder.kill(bench.root))
        with pytest.raises(StepFailed, match="sending requests"):
            asking.result(timeout=60)
        over.set()
    assert server.methods == ["PUT"]


@pytest.fixture
def docker_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a program in the place of Docker's client is asked to do; it knows one image."""
    program, docker_calls = tmp_path / "bin" / "docker", tmp_path / "docker-calls"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" >>{docker_calls}\n[ "$2" = ls ] && echo built\nexit 0\n', "utf-8"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return docker_calls


def test_cleanup_runs_after_the_run_was_stopped(bench: LocalTestbed, docker_calls: Path) -> None:
    with bench.fresh("image") as job:
        Path(job.folder).mkdir()
        bench.ending.end(lambda: scratch_folder.kill(bench.root))
        docker_push.remove_image(job, "before")
        assert not docker_calls.exists()
        docker_push.remove_image(job.last, "before")
    assert docker_calls.read_text("utf-8").splitlines()[1:] == [
        "image rm --force built",
        "tag before canary-image",
    ]


def test_image_of_unknown_owner_stays(bench: LocalTestbed, docker_calls: Path) -> None:
    with bench.fresh("image") as job:
        Path(job.folder).mkdir()
        bench.ending.end(lambda: scratch_folder.kill(bench.root))
        before = docker_push.find_image(job)
        docker_push.remove_image(job.last, before)
    assert [line.split()[:2] for line in docker_calls.read_text("utf-8").splitlines()] == [["image", "ls"]]


def test_killed_cleanup_runs_again(bench: LocalTestbed) -> None:
    with bench.fresh("put-back") as job, ThreadPoolExecutor() as pool:
        mark = Path(job.folder) / "begun"
        mark.parent.mkdir()
        undo = f"[ -e {mark} ] && exit; : >{mark}; sleep 100"
        undoing = pool.submit(job.last.run, ["sh", "-c", undo], deadline=100)
        while not mark.exists():
            time.sleep(0.02)
        bench.ending.end(lambda: scratch_folder.kill(bench.root))
        assert undoing.result(timeout=60).status == 0


@pytest.mark.parametrize("before", ["", "x" * 290], ids=["at once", "where a report is cut"])
def test_secret_in_a_servers_reply_is_masked(bench: LocalTestbed, before: str) -> None:
    def echo(request: Asked) -> Answer:
        return Answer(403, f"{before} no {request.authorization} may write".encode())

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


def test_secret_in_the_error_of_a_client_is_masked(
    bench: LocalTestbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = CompletedCommand(1, b"", f"{'x' * 480} {GIVEN.writer.authorization}".encode())
    monkeypatch.setattr(bench, "send", lambda *_, **__: died)
    with pytest.raises(StepFailed, match=r"x Basic \*+$"):
        bench.ask([])


def processes(home: str) -> list[bytes]:
    """The command lines of what runs in a home."""
    command_lines = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if home.encode() in (entry / "environ").read_bytes():
                command_lines.append((entry / "cmdline").read_bytes())
    return command_lines


def test_write_replaces_a_read_only_file(bench: LocalTestbed) -> None:
    with bench.fresh("write") as job:
        path = Path(job.folder) / "deep" / "file"
        job.write(str(path), b"first", mode="0444")
        job.write(str(path), b"second")
        assert path.read_bytes() == b"second"
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(StepFailed, match=r"writing .*/file/below: "):
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


def test_read_only_file_is_written_without_root(nobody: Path) -> None:
    job = LocalJob(local_runner(), str(nobody / "proof"))
    job.write(f"{job.folder}/tool", b"content", mode="0444")
    assert (nobody / "proof" / "tool").read_bytes() == b"content"
