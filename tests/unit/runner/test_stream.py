"""The stream of a program's output as an engine sends it, spoken by a server that this file starts."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from builder_contracts.runner.docker import engine

HEAD = (
    b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n"
    b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
)


def frame(stream: int, text: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(text)) + text


class Engine:
    """Speaks the few words of the Engine API that one program needs; ``packets`` is what its start is answered."""

    def __init__(self, path: Path) -> None:
        self.packets: list[bytes] = []
        self.hold = 0.0
        self._held: list[socket.socket] = []
        self.paused = False
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        for connection in self._held:
            connection.close()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            # A client that has given up on a busy machine: its request is empty, or it takes no answer.
            with connection, contextlib.suppress(ConnectionError, IndexError):
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        path = self._asked(connection)
        if path.endswith("/start"):
            for packet in self.packets:
                connection.sendall(packet)
            if self.hold:
                # The program runs on, so its connection stays open.
                self._held.append(connection.dup())
            return
        if path.endswith("/hangs/json"):
            time.sleep(self.hold)
            return
        answer: dict[str, object] = {"Id": "program"}
        if path.endswith("/program/json"):
            answer = {"ExitCode": 0, "Running": False}
        elif path.endswith("/container/json"):
            answer = {"State": {"Running": True, "Paused": self.paused}}
        body = json.dumps(answer).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)

    @staticmethod
    def _asked(connection: socket.socket) -> str:
        """The path of a request that was read to its end: closing on unread bytes resets the connection."""
        with connection.makefile("rb") as stream:
            path = stream.readline().split()[1].decode()
            length = int(http.client.parse_headers(stream).get("Content-Length", "0"))
            stream.read(length)
        return path


@pytest.fixture
def engine_and_client(tmp_path: Path) -> Iterator[tuple[Engine, docker.DockerClient]]:
    server = Engine(tmp_path / "engine.sock")
    client = docker.DockerClient(base_url=f"unix://{tmp_path / 'engine.sock'}", version="1.45")
    yield server, client
    client.close()
    server.close()


@pytest.mark.parametrize("size", [1, 100, 9000, 200_000])
def test_output_behind_the_head_of_a_response_is_kept(
    engine_and_client: tuple[Engine, docker.DockerClient], size: int
) -> None:
    server, client = engine_and_client
    first, last = b"a" * size, b"the end"
    server.packets = [HEAD + frame(1, first) + frame(2, b"aside"), frame(1, last)]
    completed = engine.execute(client, "container", ["program"], deadline=10)
    assert (completed.status, completed.ended) == (0, "")
    assert completed.stdout == first + last
    assert completed.stderr == b"aside"


def test_output_in_pieces_is_joined(
    engine_and_client: tuple[Engine, docker.DockerClient],
) -> None:
    server, client = engine_and_client
    stream = frame(1, b"one ") + frame(2, b"aside") + frame(1, b"two")
    server.packets = [HEAD, *(stream[place : place + 3] for place in range(0, len(stream), 3))]
    completed = engine.execute(client, "container", ["program"], deadline=10)
    assert (completed.status, completed.stdout, completed.stderr) == (0, b"one two", b"aside")


def test_output_that_ends_in_the_middle_is_lost(
    engine_and_client: tuple[Engine, docker.DockerClient],
) -> None:
    server, client = engine_and_client
    server.packets = [HEAD + frame(1, b"whole") + frame(1, b"half of it")[:-3]]
    completed = engine.execute(client, "container", ["program"], deadline=10)
    assert (completed.status, completed.stdout) == (None, b"whole")
    assert completed.ended.startswith("lost the command in the engine: the connection closed in the middle")


@pytest.mark.parametrize(
    ("container", "paused", "ended"),
    [
        ("container", False, "no exit within 0.3 s"),
        ("container", True, "lost the command in the engine: the container is paused"),
        ("hangs", False, "lost the command in the engine: no response within 0.1 s"),
    ],
    ids=["program", "paused", "silent engine"],
)
def test_deadline_is_the_programs_only_if_it_could_run(
    engine_and_client: tuple[Engine, docker.DockerClient],
    monkeypatch: pytest.MonkeyPatch,
    container: str,
    paused: bool,
    ended: str,
) -> None:
    monkeypatch.setattr(engine, "_RESPONSE_WITHIN", 0.1 if container == "hangs" else 5)
    server, client = engine_and_client
    server.packets, server.hold, server.paused = [HEAD], 0.5, paused
    completed = engine.execute(client, container, ["program"], deadline=0.3)
    assert (completed.status, completed.ended) == (None, ended)


@pytest.mark.parametrize(("size", "cut"), [(99, False), (100, False), (101, True)])
def test_output_beyond_the_limit_is_marked(
    engine_and_client: tuple[Engine, docker.DockerClient],
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    cut: bool,
) -> None:
    monkeypatch.setattr(engine, "MOST_OUTPUT", 100)
    server, client = engine_and_client
    server.packets = [HEAD + frame(1, b"a" * size)]
    completed = engine.execute(client, "container", ["program"], deadline=10)
    assert (len(completed.stdout), completed.cut) == (min(size, 100), cut)
