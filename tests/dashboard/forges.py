"""A local HTTP server that speaks the endpoints of GitHub and GitLab that a night uses."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "token-of-this-test"
BOT = "github-actions[bot]"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Storage(_Server):
    """Where both forges send downloads to, by path, and the headers that it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Download)
        self.files: dict[str, bytes] = {}
        self.received: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        # Another host, and not only another port.
        return f"http://localhost:{self.server_address[1]}"


class Forge(_Server):
    """Issues, artifacts and jobs of one repository, in memory. ``failing`` paths answer with that status,
    and with a page for people where it is 200."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.storage = storage
        self.issues: list[dict[str, Any]] = []
        self.comments: list[tuple[int, str]] = []
        self.artifacts: list[dict[str, Any]] = []
        self.jobs: list[dict[str, Any]] = []
        self.writes: list[str] = []
        self.failing: dict[str, int] = {}
        self.page = 100

    def issue(self, title: str, body: str, **rest: Any) -> dict[str, Any]:
        number = len(self.issues) + 1
        made = {
            "number": number,
            "iid": number,
            "title": title,
            "body": body,
            "description": body,
            "state": "open",
            "labels": ["builder-contracts"],
            "creator": BOT,
            "html_url": f"https://example.org/issues/{number}",
            "web_url": f"https://example.org/issues/{number}",
            **rest,
        }
        self.issues.append(made)
        return made

    def artifact(self, content: bytes, *, name: str = "history.db", **rest: Any) -> None:
        number = len(self.artifacts) + 1
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(name, content)
        self.storage.files[f"/artifacts/{number}"] = packed.getvalue()
        self.artifacts.append(
            {
                "id": number,
                "name": "contract-history",
                "created_at": f"2026-03-{number:02}T03:00:00Z",
                "expired": False,
                "archive_download_url": f"{self.url}/repos/o/r/actions/artifacts/{number}/zip",
                "workflow_run": {"head_branch": "main", "head_repository_id": 1, "repository_id": 1},
                **rest,
            }
        )

    def gitlab_job(self, number: int, history: bytes | None = None, **rest: Any) -> None:
        """A job that stored that history, or none; the latest is added first."""
        self.jobs.append(
            {
                "id": number,
                "name": "dashboard",
                "ref": "main",
                "tag": False,
                "status": "success",
                "created_at": f"2026-03-{number:02}T03:00:00Z",
                "artifacts": [
                    {"file_type": "trace"},
                    *([] if history is None else [{"file_type": "archive"}]),
                ],
                "artifacts_expire_at": None if history is None else "2026-06-10T03:00:00Z",
                **rest,
            }
        )
        if history is not None:
            self.storage.files[f"/jobs/{number}"] = history


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


class _Download(_Answering):
    server: Storage

    def do_GET(self) -> None:
        self.server.received.append(dict(self.headers))
        self._send(200, self.server.files[self.path])


class _Handler(_Answering):
    server: Forge

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PATCH = do_PUT = do_GET  # noqa: N815 - the base class calls them so

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        asked = parse_qs(parts.query)
        query = {name: ",".join(values) for name, values in asked.items()}
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._json(401, {"message": "Bad credentials"})
            return
        for failing, status in self.server.failing.items():
            if failing in path:
                refusal = {"message": "refused by this test"}
                self._send(status, b"<html>" if status == 200 else json.dumps(refusal).encode())
                return
        if self.command != "GET":
            self.server.writes.append(f"{self.command} {path}")
        if path.startswith("/repos/o/r"):
            self._github(path.removeprefix("/repos/o/r"), query, body)
        elif path.startswith("/projects/7"):
            self._gitlab(path.removeprefix("/projects/7"), query, body)
        else:
            self._json(404, {"message": "Not Found"})

    def _github(self, path: str, query: dict[str, str], body: dict[str, Any]) -> None:
        server = self.server
        match path.split("/")[1:]:
            case []:
                self._json(200, {"default_branch": "main"})
            case ["issues"] if self.command == "GET":
                issues = [
                    issue
                    for issue in server.issues
                    if issue["state"] == query["state"]
                    and query["labels"] in issue["labels"]
                    and issue["creator"] == query["creator"]
                ]
                self._page(issues, query)
            case ["issues"]:
                self._json(201, server.issue(body["title"], body["body"], labels=body["labels"]))
            case ["issues", number, "comments"]:
                server.comments.append((int(number), body["body"]))
                self._json(201, {"id": 1})
            case ["issues", number]:
                server.issues[int(number) - 1].update(body)
                self._json(200, server.issues[int(number) - 1])
            case ["actions", "artifacts"]:
                named = [artifact for artifact in server.artifacts if artifact["name"] == query["name"]]
                self._page(named, query, "artifacts")
            case ["actions", "artifacts", number, "zip"]:
                self._redirect(f"/artifacts/{number}")
            case ["actions", "runs", "42", "attempts", "1", "jobs"]:
                self._page(server.jobs, query, "jobs")
            case _:
                self._json(404, {"message": "Not Found"})

    def _gitlab(self, path: str, query: dict[str, str], body: dict[str, Any]) -> None:
        server = self.server
        match path.split("/")[1:]:
            case []:
                self._json(200, {"default_branch": "main"})
            case ["issues"] if self.command == "GET":
                assert query["scope"] == "created_by_me"
                self._page([issue for issue in server.issues if issue["state"] == "open"], query)
            case ["issues"]:
                self._json(201, server.issue(body["title"], body["description"], labels=[body["labels"]]))
            case ["issues", number, "notes"]:
                server.comments.append((int(number), body["body"]))
                self._json(201, {"id": 1})
            case ["issues", number]:
                issue = server.issues[int(number) - 1]
                issue.update(body)
                if body.get("state_event") == "close":
                    issue["state"] = "closed"
                self._json(200, issue)
            case ["jobs"]:
                statuses = query["scope[]"].split(",")
                self._page([job for job in server.jobs if job["status"] in statuses], query)
            case ["jobs", number, "artifacts", "history.db"] if f"/jobs/{number}" in server.storage.files:
                self._redirect(f"/jobs/{number}")
            case _:
                self._json(404, {"message": "404 Not found"})

    def _page(self, items: list[dict[str, Any]], query: dict[str, str], name: str = "") -> None:
        size, number = self.server.page, int(query.get("page", "1"))
        part = items[(number - 1) * size : number * size]
        headers = {}
        if number * size < len(items):
            rest = "&".join(f"{key}={value}" for key, value in query.items() if key != "page")
            path = urlsplit(self.path).path
            headers["Link"] = f'<{self.server.url}{path}?{rest}&page={number + 1}>; rel="next"'
        self._json(200, {name: part, "total_count": len(items)} if name else part, headers)

    def _json(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(value).encode(), headers)

    def _redirect(self, path: str) -> None:
        self._send(302, b"", {"Location": f"{self.server.storage.url}{path}"})


@contextmanager
def _running(server: _Server) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serving() -> Iterator[Forge]:
    """A forge and its storage, each behind a loopback port."""
    storage = Storage()
    forge = Forge(storage)
    with _running(storage), _running(forge):
        yield forge
