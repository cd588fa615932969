"""A server of a test's own on this machine: it answers as the test says, and remembers every request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Asked:
    """One request: ``authorization`` is its header of that name, empty without one."""

    method: str
    path: str
    authorization: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Stub:
    """``url`` is its address without a path."""

    url: str
    requests: list[Asked] = field(default_factory=list)

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.requests]


@contextmanager
def stub(answer: Callable[[Asked], Answer]) -> Iterator[Stub]:
    """The server, until the context ends."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Asked(self.command, self.path, headers.get("authorization", ""), body, headers)
            created.requests.append(request)
            reply = answer(request)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 # http.server's names

        def log_message(self, *_: object) -> None:
            """Nothing: the requests are remembered."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        created = Stub(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield created
        finally:
            server.shutdown()
            thread.join()


class Files:
    """What a cache with PUT and DELETE holds, as the answers of a stub."""

    def __init__(self, **held: str) -> None:
        self.held = {f"/{path}": text.encode() for path, text in held.items()}

    def __call__(self, request: Asked) -> Answer:
        if request.method == "PUT":
            self.held[request.path] = request.body
            return Answer(201)
        if request.path not in self.held:
            return Answer(404)
        if request.method == "DELETE":
            del self.held[request.path]
            return Answer(204)
        return Answer(200, self.held[request.path])
