"""The ssh runner on a real sshd: what goes wrong is said in words, and nothing stays on the host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder_contracts.facts.model import RunnerFacts, Unseen
from builder_contracts.runner.protocol import CompletedCommand, UnavailableRunner
from builder_contracts.runner.shutdown import ENDED
from builder_contracts.runner.ssh.runner import SshRunner, ended, ssh_runner
from tests.runner.ssh_server import SshServer, use


@pytest.fixture
def known(ssh_server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SshServer:
    use(ssh_server, tmp_path, monkeypatch)
    return ssh_server


def is_gone(pid: int) -> Callable[[], bool]:
    stat = Path(f"/proc/{pid}/stat")
    return lambda: not stat.exists() or stat.read_text("utf-8").rpartition(")")[2].split()[0] == "Z"


def eventually(condition: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_host_is_named_with_what_it_has(known: SshServer) -> None:
    about = ssh_runner(known.url).setting.runner

    assert isinstance(about, RunnerFacts)
    assert (about.kind, about.place, about.live) == ("ssh", known.url, False)
    assert about.host.startswith(f"{os.uname().nodename} (Linux {os.uname().release}")
    assert about.memory == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_login_of_the_run_is_not_in_the_environment(known: SshServer) -> None:
    names = SshRunner(known.url).execute(["env"], deadline=30).stdout

    assert b"HOME=" in names
    assert b"SSH_" not in names


def test_deadline_ends_every_process_of_the_login(known: SshServer) -> None:
    line = ["/bin/sh", "-c", "timeout 1000 sleep infinity & echo $!; wait"]

    completed = SshRunner(known.url).execute(line, deadline=2)

    assert completed.status is None
    eventually(is_gone(int(completed.stdout)))


def test_end_of_the_run_ends_every_process_of_the_login(known: SshServer) -> None:
    pid, run_ended = known.folder / "home" / "pid", threading.Event()
    line = ["/bin/sh", "-c", f"echo $$ >{pid}.new && mv {pid}.new {pid}; exec sleep infinity"]
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(SshRunner(known.url, run_ended=run_ended).execute, line, deadline=600)
        try:
            eventually(pid.exists)
        finally:
            run_ended.set()

    assert running.result().ended == ENDED
    eventually(is_gone(int(pid.read_text("utf-8"))))


def test_end_of_a_program_ends_its_background(known: SshServer) -> None:
    completed = SshRunner(known.url).execute(["/bin/sh", "-c", "sleep infinity & echo $!"], deadline=30)

    assert completed.status == 0
    eventually(is_gone(int(completed.stdout)))


def test_killed_run_leaves_no_process_on_the_host(known: SshServer) -> None:
    pids = known.folder / "home" / "pids"
    program = (
        "import sys; from builder_contracts.runner.ssh.runner import SshRunner\n"
        "SshRunner(sys.argv[1]).execute(['/bin/sh', '-c', sys.argv[2]], deadline=600)"
    )
    line = f"sleep infinity & echo $! $$ $PPID >{pids}.new && mv {pids}.new {pids}; wait"
    run = subprocess.Popen([sys.executable, "-c", program, known.url, line])
    try:
        eventually(pids.exists)
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()

    for pid in pids.read_text("utf-8").split():
        eventually(is_gone(int(pid)))


def test_lost_connection_is_not_the_end_of_a_program(known: SshServer) -> None:
    # The parent of the login's shell is its sshd.
    cut = "read -r _ _ _ sshd _ </proc/$PPID/stat; kill -KILL $sshd; sleep infinity"

    completed = SshRunner(known.url).execute(["/bin/sh", "-c", cut], deadline=60)

    assert completed.status is None
    assert "closed" in completed.ended


def reason(url: str) -> str:
    runner = ssh_runner(url)
    assert isinstance(runner, UnavailableRunner)
    assert isinstance(runner.setting.start, Unseen)
    assert runner.setting.start.provable_here
    return runner.setting.start.reason


def test_unknown_host_key_is_refused_and_named(
    ssh_server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(ssh_server, tmp_path, monkeypatch, UserKnownHostsFile=str(tmp_path / "nobody"))

    assert f"cannot run commands on {ssh_server.url}: ssh does not know the host's key" in reason(
        ssh_server.url
    )
    assert not (tmp_path / "nobody").exists()


def test_other_host_key_is_refused_and_named(
    ssh_server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "known_hosts"
    key = (ssh_server.folder / "key.pub").read_text("utf-8")
    other.write_text(f"[127.0.0.1]:{ssh_server.port} {key}", "utf-8")
    use(ssh_server, tmp_path, monkeypatch, UserKnownHostsFile=str(other))

    assert "the host's key is another one than ssh knows" in reason(ssh_server.url)


def test_refused_login_key_is_named(
    ssh_server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(ssh_server, tmp_path, monkeypatch, IdentityFile="/nonexistent", IdentityAgent="none")

    assert "the host takes none of the keys that ssh offers" in reason(ssh_server.url)


def test_host_that_does_not_answer_is_named(known: SshServer) -> None:
    assert "Connection refused" in reason("ssh://127.0.0.1:1")


def test_missing_ssh_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "ssh is not installed" in reason("ssh://127.0.0.1")


@pytest.mark.parametrize(
    ("completed", "status", "why"),
    [
        pytest.param(
            CompletedCommand(255, b"", b"own\nEND-1 255\n"), 255, "", id="status 255 of the program"
        ),
        pytest.param(CompletedCommand(255, b"", b"ssh: lost\n"), None, "ssh: lost", id="status 255 of ssh"),
        pytest.param(CompletedCommand(3, b"", b"flood", cut=True), 3, "", id="end cut off by a flood"),
        pytest.param(CompletedCommand(0, b"last\n", b""), 0, "", id="last line came"),
        pytest.param(CompletedCommand(None, b"", b"", "late"), None, "late", id="deadline"),
    ],
)
def test_end_of_a_program_differs_from_the_end_of_ssh(
    completed: CompletedCommand, status: int | None, why: str
) -> None:
    result = ended(completed, b"END-1")

    assert (result.status, result.ended) == (status, why)
