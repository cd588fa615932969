"""Credentials go to the server that they are for, whoever points elsewhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from builder_contracts.forge import linear
from builder_contracts.forge.github import GitHub
from builder_contracts.forge.gitlab import GitLab
from builder_contracts.forge.http import Api, ForgeError

TOKEN = "token-of-this-test"


class Server(ThreadingHTTPServer):
    """Responds to a path with a status, headers and JSON; keeps who asked, and with what credentials."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.responses: dict[str, tuple[int, dict[str, str], object]] = {}
        self.asked: list[tuple[str, str]] = []

    def url(self, hostname: str = "127.0.0.1") -> str:
        return f"http://{hostname}:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        self.server.asked.append((f"{self.headers['Host']}{path}", self.headers.get("Authorization", "")))
        status, headers, data = self.server.responses.get(path, (200, {}, []))
        body = json.dumps(data).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 # the base class calls it so

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class's name
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", ["github", "gitlab", "linear"])
def test_redirect_to_another_host_gets_no_credentials(server: Server, kind: str) -> None:
    elsewhere = {"Location": f"{server.url('localhost')}/elsewhere"}
    server.responses = {
        path: (307, elsewhere, {}) for path in ("/repos/o/r/milestones", "/projects/7/milestones", "/graphql")
    }
    server.responses["/elsewhere"] = (200, {}, {})
    ask: dict[str, Callable[[], object]] = {
        "github": GitHub("o/r", TOKEN, base=server.url()).planning,
        "gitlab": GitLab("7", TOKEN, base=server.url()).planning,
        "linear": lambda: linear.planning(TOKEN, f"{server.url()}/graphql"),
    }
    with pytest.raises(ForgeError):
        ask[kind]()
    (first, sent), (second, sent_elsewhere) = server.asked
    assert (TOKEN in sent, sent_elsewhere) == (True, "")
    assert first.startswith("127.0.0.1")
    assert second.startswith("localhost")


def test_redirect_within_the_server_keeps_credentials(server: Server) -> None:
    server.responses["/old"] = (302, {"Location": "/new"}, {})
    Api(server.url(), f"Bearer {TOKEN}", "").json("GET", "/old")
    assert [sent for _, sent in server.asked] == [f"Bearer {TOKEN}"] * 2


def test_next_page_on_another_host_gets_no_credentials(server: Server) -> None:
    link = {"Link": f'<{server.url("localhost")}/issues>; rel="next"'}
    server.responses["/milestones"] = (200, link, [])
    assert Api(server.url(), f"Bearer {TOKEN}", "").list_all("/milestones", {}) == []
    assert [sent for _, sent in server.asked] == [f"Bearer {TOKEN}", ""]


def test_netrc_of_this_host_is_asked_for_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\nmachine localhost login a password b\n", "utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.responses["/old"] = (302, {"Location": f"{server.url('localhost')}/new"}, {})
    Api(server.url(), "", "").json("GET", "/old")
    assert [sent for _, sent in server.asked] == ["", ""]


def test_a_list_that_is_none_is_an_error(server: Server) -> None:
    server.responses["/repos/o/r/milestones"] = (200, {}, {"message": "hello"})
    with pytest.raises(ForgeError, match="did not return a list"):
        GitHub("o/r", TOKEN, base=server.url()).planning()
