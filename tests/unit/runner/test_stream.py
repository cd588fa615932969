"""The stream of a program's output as an engine sends it, spoken by a server that this file starts."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
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
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        path = self._asked(connection)
        if path.endswith("/start"):
            for packet in self.packets:
                connection.sendall(packet)
            return
        answer: dict[str, object] = {"Id": "program"}
        if path.endswith("/program/json"):
            answer = {"ExitCode": 0, "Running": False}
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
