"""A job on this machine by itself: discreet, ended with its run, and its files its own."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder_contracts.facts.model import Runner
from builder_contracts.prove import workplace
from builder_contracts.prove.endpoints import Endpoint
from builder_contracts.prove.job import Failed
from builder_contracts.prove.machine import MachineBench
from builder_contracts.runner.local import local_runner
from builder_contracts.services.identities import Credentials

GIVEN = Credentials.from_texts("reader:her-long-secret", "me:my-long-secret")


@pytest.fixture
def bench(tmp_path: Path) -> MachineBench:
    return MachineBench(
        credentials=Credentials.random(),
        endpoints={"nix": Endpoint("nix", "http://cache.example", "", GIVEN, "main-1:c2lnbmluZyBrZXk=")},
        name="mine",
        about=Runner("local", "", "host", 2, 2**30),
        runner=local_runner(),
        root=tmp_path,
        class_home="/home/runner",
    )


def test_what_a_tool_prints_of_a_secret_is_masked_byte_for_byte(bench: MachineBench) -> None:
    told = [GIVEN.reader.secret, GIVEN.writer.authorization, "c2lnbmluZyBrZXk=", "nothing of the kind"]
    with bench.fresh("talk") as job:
        Path(job.folder).mkdir()
        done = job.run(["printf", "%s\\n", *told], deadline=10)
    lines = done.stdout.decode().splitlines()
    assert [len(line) for line in lines] == [len(line) for line in told]
    assert lines == ["*" * 15, "Basic " + "*" * (len(told[1]) - 6), "*" * 16, "nothing of the kind"]


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
        begun = time.monotonic()
        bench.ending.end(lambda: workplace.kill(bench.root))
        assert running.result(timeout=10).status != 0
        assert job.run(["true"], deadline=10).ended == "the run was ended"
        assert time.monotonic() - begun < 10


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
