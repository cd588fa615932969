"""What goes wrong while a run is under way: nothing is left behind, and nothing is called kept."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import docker
import psutil
import pytest

from builder_contracts.errors import ExitCode
from builder_contracts.runner.docker.cleanup import OWNER, RUN

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("hangup_ends_programs")]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def slow_contract(tmp_path: Path) -> Path:
    """A contract whose observation takes a while: a tool that sleeps."""
    (tmp_path / "contracts").mkdir()
    path = tmp_path / "contracts" / "slow.yaml"
    path.write_text(
        "apiVersion: builder-contracts/v1\nkind: BuilderClass\n"
        "metadata: {name: slow, summary: a class that takes its time, owner: tests}\nlabels: [slow]\n"
        "image: {reference: tinyland-nix}\n"
        "toolchain:\n  sh: present\n  bash: {features: {patience: [-c, 'sleep 15']}}\n"
        "network: {egress: none}\n"
    )
    return path.parent


def start(contracts: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pytest",
            "-m",
            "contract",
            "--contracts",
            str(contracts),
            "-p",
            "no:cacheprovider",
            "-c",
            "/dev/null",
            *options,
        ],
        cwd=contracts.parent,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def family(pid: int) -> set[int]:
    """A process and those that it started: the workers of xdist own what they create."""
    with contextlib.suppress(psutil.Error):
        return {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
    return {pid}


def belongings(client: docker.DockerClient, *pids: int) -> list[str]:
    """Names of what processes own in the engine."""
    labelled = [
        (container["Names"][0], container["Labels"])
        for container in client.api.containers(all=True, filters={"label": RUN})
    ]
    labelled += [
        (network["Name"], network["Labels"]) for network in client.api.networks(filters={"label": RUN})
    ]
    return [name for name, labels in labelled if json.loads(labels[OWNER])["pid"] in pids]


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.1)


def check(contracts: Path, *options: str) -> subprocess.Popen[str]:
    """The command line."""
    return subprocess.Popen(
        [Path(sys.executable).with_name("builder-contracts"), "check", str(contracts), *options],
        cwd=contracts.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def hang_up(contracts: Path) -> tuple[int, Callable[[], None]]:
    """A check on a terminal; its process, and what closes the terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        program = str(Path(sys.executable).with_name("builder-contracts"))
        os.execv(program, [program, "check", str(contracts), "--deadline", "300"])  # noqa: S606
    return pid, partial(os.close, terminal)


def test_no_end_of_a_run_leaves_anything(client: docker.DockerClient, slow_contract: Path) -> None:
    """Each signal to the command line, to pytest and to xdist, at the same time: one machine, one wait."""
    path = slow_contract / "slow.yaml"
    features = ", ".join(f"patience-{index}: [-c, 'sleep 15']" for index in range(20))
    path.write_text(path.read_text().replace("patience: [-c, 'sleep 15']", features))
    patient = ("--deadline", "300")
    on_terminal, close_terminal = hang_up(slow_contract)
    endings: dict[str, tuple[subprocess.Popen[str], signal.Signals, int, ExitCode]] = {
        "check, Ctrl-C": (check(slow_contract, *patient), signal.SIGINT, 5, ExitCode.INTERRUPTED),
        "check, SIGTERM": (check(slow_contract, *patient), signal.SIGTERM, 1, ExitCode.TERMINATED),
        "pytest, SIGHUP": (start(slow_contract, *patient), signal.SIGHUP, 5, ExitCode.TERMINATED),
        "xdist, SIGTERM": (start(slow_contract, *patient, "-n", "2"), signal.SIGTERM, 1, ExitCode.TERMINATED),
    }
    leaders = {name: process.pid for name, (process, *_) in endings.items()}
    leaders["closed terminal"] = on_terminal
    wait_for(lambda: all(belongings(client, *family(pid)) for pid in leaders.values()), 180)
    pids = {name: family(pid) for name, pid in leaders.items()}

    close_terminal()
    for process, number, count, _ in endings.values():
        for _ in range(count):
            process.send_signal(number)
            time.sleep(0.1)
    codes = {name: process.wait(180) for name, (process, *_) in endings.items()}
    os.waitpid(on_terminal, 0)

    outputs = {name: process.communicate()[0] for name, (process, *_) in endings.items()}
    assert codes == {name: code for name, (*_, code) in endings.items()}, outputs
    assert {name: left for name, owned in pids.items() if (left := belongings(client, *owned))} == {}
    # Of a worker, xdist waits for the end of its channel only.
    wait_for(lambda: not any(map(psutil.pid_exists, set().union(*pids.values()))))


def test_bad_environment_next_to_contracts_leaves_nothing(
    client: docker.DockerClient, slow_contract: Path
) -> None:
    # Next to the contracts, and not the one in use.
    (slow_contract / "environments").mkdir()
    (slow_contract / "environments" / "other.yaml").write_text("kind: [Environment\n")

    process = check(slow_contract)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == ExitCode.BAD_INPUT, output
    assert "other.yaml:" in output
    assert "Traceback" not in output
    assert belongings(client, process.pid) == []


def test_the_next_start_removes_what_a_killed_run_left(
    client: docker.DockerClient, slow_contract: Path
) -> None:
    process = start(slow_contract)
    wait_for(lambda: len(belongings(client, process.pid)) >= 2)
    process.kill()
    process.communicate(timeout=30)
    assert belongings(client, process.pid) != []

    following = start(slow_contract, "--deadline", "2")
    following.communicate(timeout=60)

    assert belongings(client, process.pid) == []
    assert belongings(client, following.pid) == []


def test_a_running_neighbour_is_left_alone(client: docker.DockerClient, slow_contract: Path) -> None:
    neighbour = start(slow_contract)
    try:
        wait_for(lambda: len(belongings(client, neighbour.pid)) >= 2)
        other = start(slow_contract, "--deadline", "1")
        other.communicate(timeout=60)
        assert len(belongings(client, neighbour.pid)) >= 2
    finally:
        neighbour.send_signal(signal.SIGINT)
        neighbour.communicate(timeout=60)


def test_hung_probe_ends_at_deadline_and_keeps_facts(
    client: docker.DockerClient, slow_contract: Path
) -> None:
    process = start(slow_contract, "--deadline", "4")
    output, _ = process.communicate(timeout=60)

    assert process.returncode == ExitCode.UNPROVEN
    assert "toolchain/bash  UNPROVEN" in output
    assert "no exit within 4" in output
    # The questions that were answered in time are judged; the hanging one takes no other down with it.
    assert "toolchain/sh  " not in output
    assert "network/egress  " not in output


def test_container_death_during_observation_is_unproven(
    client: docker.DockerClient, slow_contract: Path
) -> None:
    process = start(slow_contract)

    def runner() -> list[str]:
        containers = client.api.containers(filters={"label": RUN, "status": "running"})
        return [
            container["Id"]
            for container in containers
            if json.loads(container["Labels"][OWNER])["pid"] == process.pid
            and container["Names"][0].endswith("-slow")
        ]

    wait_for(runner)
    time.sleep(1)
    client.api.kill(runner()[0])
    output, _ = process.communicate(timeout=60)

    assert "toolchain/bash  UNPROVEN" in output
    assert "container exited with status 137" in output
    assert "BROKEN" not in output


class Relay:
    """A socket before the engine's that can stop answering."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.silent = threading.Event()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(64)
        self._open: list[socket.socket] = [self._server]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            if self.silent.is_set():
                near.close()
                continue
            far = socket.socket(socket.AF_UNIX)
            far.connect("/var/run/docker.sock")
            self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if self.silent.is_set():
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def stop(self) -> None:
        self.silent.set()
        for connection in self._open:
            connection.close()


def test_engine_lost_during_observation_is_unproven(
    client: docker.DockerClient, slow_contract: Path, tmp_path: Path
) -> None:
    if not Path("/var/run/docker.sock").is_socket():
        pytest.skip("needs the engine's socket at /var/run/docker.sock to relay it")
    relay = Relay(tmp_path / "engine.sock")
    process = start(slow_contract, DOCKER_HOST=f"unix://{relay.path}")
    wait_for(lambda: len(belongings(client, process.pid)) >= 2)
    time.sleep(1)

    relay.stop()
    output, _ = process.communicate(timeout=120)

    assert process.returncode == ExitCode.UNPROVEN, output
    assert "UNPROVEN" in output
    assert "Traceback" not in output
    # The dead engine could not clean up; the next start with a live one does.
    start(slow_contract, "--deadline", "1").communicate(timeout=60)
    assert belongings(client, process.pid) == []


def test_without_engine_clauses_are_unproven_with_a_fix(slow_contract: Path) -> None:
    process = start(slow_contract, DOCKER_HOST="unix:///nonexistent/docker.sock")
    output, _ = process.communicate(timeout=60)

    assert process.returncode == ExitCode.CANNOT_RUN
    assert "cannot reach a Docker Engine" in output
    assert "builder-contracts doctor" in output
    assert "Traceback" not in output
    assert "1 kept (1 declared)" in output


def test_hostile_words_in_a_contract_reach_no_shell(client: docker.DockerClient, tmp_path: Path) -> None:
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    (contracts / "hostile.yaml").write_text(
        "apiVersion: builder-contracts/v1\nkind: BuilderClass\n"
        "metadata: {name: hostile, summary: a class with hostile words, owner: tests}\nlabels: [hostile]\n"
        "image: {reference: tinyland-nix}\n"
        "toolchain: {sh: {features: {words: [-c, 'test \"$1\" = \"$2\"', sh, '$(touch /tmp/owned)', "
        "'$(touch /tmp/owned)']}}}\n"
        "filesystem:\n"
        "  /tmp/owned: absent\n"
        "  '/tmp/$(touch /tmp/owned)': absent\n"
        "  '/tmp/`touch /tmp/owned`': absent\n"
        "  \"/tmp/'; touch /tmp/owned; '\": absent\n"
        "  '/etc/*': absent\n"
    )

    process = start(contracts)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 0, output
    assert not Path("/tmp/owned").exists()


@pytest.mark.slow
def test_fresh_install_checks_a_repository_of_only_yaml(client: docker.DockerClient, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    # The dependencies are there already; the package itself is built and installed as a user would.
    subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", venv], check=True)
    site = next(path for path in sys.path if path.endswith("site-packages"))
    (next(venv.glob("lib/python*/site-packages")) / "outer.pth").write_text(site)
    wheel = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(wheel, check=True, capture_output=True)
    install = [str(venv / "bin/python"), "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall"]
    subprocess.run([*install, *map(str, tmp_path.glob("*.whl"))], check=True, capture_output=True)
    elsewhere = tmp_path / "their-repository"
    shutil.copytree(
        ROOT / "contracts", elsewhere / "runner-contracts", ignore=shutil.ignore_patterns("schema")
    )

    completed = subprocess.run(
        [
            venv / "bin/python",
            "-m",
            "pytest",
            "--contracts",
            "runner-contracts",
            "--builder",
            "tinyland-nix",
            "-m",
            "contract and toolchain",
        ],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "runner-contracts/tinyland-nix.yaml" in completed.stdout
