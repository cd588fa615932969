"""An engine whose every response a test can replace, on a socket of its own."""

from __future__ import annotations

import json
import re
import socketserver
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

_CONTAINER = {
    "Id": "c1",
    "Config": {"Tty": False},
    "State": {"Running": True, "ExitCode": 0, "OOMKilled": False},
    "HostConfig": {"Privileged": False},
}

SOUND: Mapping[str, Any] = {
    "GET /version": {"ApiVersion": "1.44"},
    "GET /info": {"ServerVersion": "28.5.2", "NCPU": 4, "MemTotal": 2**34, "ID": "HOST"},
    "GET /images/json": {"Id": "sha256:1", "Os": "linux", "Architecture": "amd64", "Config": {"Labels": {}}},
    "GET /images/history": [{"CreatedBy": "COPY . /"}],
    "POST /containers/create": {"Id": "c1"},
    "GET /containers/json": _CONTAINER,
    "POST /containers/exec": {"Id": "e1"},
    "GET /exec/json": {"Running": False, "ExitCode": 0},
    "GET /containers": [],
    "GET /networks": [],
    "GET /volumes": {"Volumes": []},
}
"""Responses of an engine that has every image and whose programs print nothing."""


def route(method: str, path: str) -> str:
    """The call without API version, parameters and names: ``GET /containers/json`` inspects any container."""
    path = re.sub(r"^/v[\d.]+", "", path.partition("?")[0])
    if listed := re.fullmatch(r"/(containers|networks|volumes)(/json)?", path):
        return f"{method} /{listed[1]}"
    return f"{method} " + re.sub(r"^(/[a-z]+)/[^/]+(/[a-z]+)$", r"\1\2", path)


@dataclass(frozen=True)
class Failure:
    """A response with the status of a failure."""

    status: int
    message: str


class FakeEngine(socketserver.ThreadingUnixStreamServer):
    """Responds as ``SOUND`` says, except for the calls in ``replaced``; ``calls`` are those it received, ``bodies`` their JSON."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path, replaced: Mapping[str, Any]) -> None:
        self.replaced = replaced
        self.calls: list[str] = []
        self.bodies: dict[str, Any] = {}
        super().__init__(str(path), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def server_close(self) -> None:
        self.shutdown()
        self._thread.join()
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    server: FakeEngine
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def do_DELETE(self) -> None:
        self._respond()

    def _respond(self) -> None:
        received = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = route(self.command, self.path)
        self.server.calls.append(call)
        if received:
            self.server.bodies[call] = json.loads(received)
        if call == "POST /exec/start":
            self.wfile.write(
                b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n"
                b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n" + struct.pack(">BxxxL", 1, 1) + b"\n"
            )
            self.close_connection = True
            return
        responds = call in self.server.replaced or call in SOUND
        response = self.server.replaced.get(call, SOUND.get(call))
        status = 200 if responds else 204
        if isinstance(response, Failure):
            status, response = response.status, {"message": response.message}
        body = response if isinstance(response, bytes) else json.dumps(response).encode() if responds else b""
        self.send_response(status)
        if responds:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Nothing is logged."""

    def address_string(self) -> str:
        return "socket"
