"""A real bazel-remote, as script/servers builds it, and the password files that it reads."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.prove.server_program import server_program

START_WITHIN = 60


@dataclass(frozen=True)
class BazelRemote:
    """The addresses of one server, and where it prints its log."""

    http: str
    grpc: str
    log: Path


def password_file(folder: Path, passwords: Mapping[str, str]) -> str:
    """A password file with these names, in the form that Apache's htpasswd writes."""
    openssl = shutil.which("openssl") or pytest.skip("needs openssl")
    lines = []
    for name, password in passwords.items():
        hashed = subprocess.run(
            [openssl, "passwd", "-apr1", "-stdin"],
            input=password,
            capture_output=True,
            text=True,
            check=True,
        )
        lines.append(f"{name}:{hashed.stdout.strip()}\n")
    file = folder / "htpasswd"
    file.write_text("".join(lines), "utf-8")
    return f"--htpasswd_file={file}"


@contextmanager
def bazel_remote(folder: Path, options: Sequence[str] = ()) -> Iterator[BazelRemote]:
    """The server on this machine's loopback, until the context ends."""
    ports = _free_ports(2)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [server_program("bazel-remote"), f"--dir={folder / 'data'}", "--max_size=1", "--access_log_level=all",
             f"--http_address=127.0.0.1:{ports[0]}", f"--grpc_address=127.0.0.1:{ports[1]}", *options],
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        for port in ports:
            wait_for_port("127.0.0.1", port, process)
        yield BazelRemote(f"http://127.0.0.1:{ports[0]}", f"grpc://127.0.0.1:{ports[1]}", log)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(opened.getsockname()[1]) for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def wait_for_port(host: str, port: int, process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until somebody listens there, or the process ends."""
    patience = time.monotonic() + START_WITHIN
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            assert process is None or process.poll() is None, "the server ended"
            assert time.monotonic() < patience, f"nobody listens at {host}:{port}"
            time.sleep(0.05)
        else:
            return
