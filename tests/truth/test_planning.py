"""The programme's planning against exports of trackers, and against a server that speaks their interfaces.

The server is one of the test's own on the loopback interface: neither GitHub nor Linear itself is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from builder_contracts.errors import BuilderContractsError, InputError
from builder_contracts.truth.platform import load
from builder_contracts.truth.tracker import Tracker, fetch, read
from tests.truth.conftest import CONTRACTS, Judge, broken
from tests.truth.miniature import CLEAN

FACTS = load(CONTRACTS / "platform").area("planning")
TITLE: str = FACTS.get("milestone")


def github(
    *, milestone: str | None = TITLE, state: str = "open", without: str = "", extra: Any = ()
) -> dict[str, Any]:
    link = {"title": milestone, "state": state} if milestone else None
    issues = [{"number": n, "title": title, "state": "open", "milestone": link}
              for n, title in enumerate(FACTS.get("issues"), 1) if title != without]  # fmt: skip
    milestones = [{"number": 6, "title": milestone, "state": state}] if milestone else []
    return {
        "milestones": [*milestones, *extra],
        "issues": [*issues, {"title": "A pull request", "pull_request": {}, "milestone": None}],
    }


def linear(*, without: str = "") -> dict[str, Any]:
    plan = FACTS.get("linear")
    names = [{"name": name} for name in plan["milestones"] if name != without]
    project = {"name": plan["project"], "projectMilestones": {"nodes": names}}
    return {
        "data": {"initiatives": {"nodes": [{"name": plan["initiative"]}]}, "projects": {"nodes": [project]}}
    }


def tracker(tmp_path: Path, *documents: Any) -> Tracker:
    paths = []
    for number, document in enumerate(documents):
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text(json.dumps(document))
    return read(paths)


def planned(judged: Judge, given: Tracker) -> set[str]:
    return {clause for clause in broken(judged(CLEAN, given)) if clause.startswith("planning/")}


def test_the_whole_plan_is_kept(judged: Judge, tmp_path: Path) -> None:
    given = tracker(tmp_path, github(), linear())
    judgement = judged(CLEAN, given)
    kept = {
        v.clause
        for v in judgement.verdicts
        if v.clause.startswith("platform/planning/") and v.outcome.value == "kept"
    }
    assert len(kept) == 4


@pytest.mark.parametrize(
    ("documents", "clauses"),
    [
        ([github(milestone=None), linear()], {"planning/milestone", "planning/issues"}),
        ([github(state="closed"), linear()], {"planning/milestone"}),
        ([github(without=FACTS.get("issues", 3)), linear()], {"planning/issues"}),
        ([github(extra=[{"title": "Sprint 5", "state": "open"}]), linear()], {"planning/stale-milestones"}),
        ([github(extra=[{"title": "Sprint 5", "state": "closed"}]), linear()], set()),
        ([github(), linear(without=FACTS.get("linear", "milestones", 1))], {"planning/linear"}),
        ([github()["issues"], github()["milestones"]], set()),
    ],
    ids=[
        "no-milestone",
        "closed",
        "issue-missing",
        "stale-open",
        "stale-closed",
        "linear-missing",
        "two-lists",
    ],
)
def test_what_is_missing_from_the_plan_is_named(
    judged: Judge, tmp_path: Path, documents: list[Any], clauses: set[str]
) -> None:
    assert planned(judged, tracker(tmp_path, *documents)) == clauses


@pytest.mark.parametrize("body", ["{", "3", '{"a": 1}', "[" * 100_000])
def test_file_that_is_not_an_export_is_bad_input(tmp_path: Path, body: str) -> None:
    (tmp_path / "x.json").write_text(body)
    with pytest.raises(InputError):
        read([tmp_path / "x.json"])
    with pytest.raises(InputError, match="cannot be read"):
        read([tmp_path / "gone.json"])


class Answers(BaseHTTPRequestHandler):
    """Pages of a hundred, as GitHub has them; 404 for other repositories."""

    seen: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        if "/repos/o/n/" not in self.path:
            self.send_error(404)
            return
        data = github()
        data["issues"] = [{"title": f"Other {n}", "milestone": None} for n in range(100)] + data["issues"]
        what = "milestones" if "/milestones" in self.path else "issues"
        page = int(self.path.rpartition("page=")[2])
        body = json.dumps(data[what][(page - 1) * 100 : page * 100]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Linear's GraphQL interface: a connection, two entries a page."""
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        data = linear()["data"]
        (project,) = data["projects"]["nodes"]
        nodes = {"initiatives": data["initiatives"]["nodes"], "projects": [project | {"status": {"type": "started"}}],
                 "projectMilestones": project["projectMilestones"]["nodes"]}  # fmt: skip
        what = next(name for name in nodes if f"{name}(" in asked["query"])
        begin = int(asked["variables"]["after"] or 0)
        more = {"hasNextPage": begin + 2 < len(nodes[what]), "endCursor": str(begin + 2)}
        answer: Any = {"data": {what: {"nodes": nodes[what][begin : begin + 2], "pageInfo": more}}}
        if self.headers.get("Authorization") != "lin_key":
            answer = {"errors": [{"message": "Authentication required"}], "data": None}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        del code, size


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    seen: list[tuple[str, str]] = []
    handler = type("Handler", (Answers,), {"seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", seen
        running.shutdown()
        thread.join()


def test_github_plan_is_read_page_by_page_with_the_token(
    server: tuple[str, list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch, judged: Judge
) -> None:
    base, seen = server
    monkeypatch.setenv("GITHUB_TOKEN", "t0k")
    monkeypatch.delenv("LINEAR_API_KEY", raising=False)
    given = fetch("o/n", base)
    assert len(given.issues) == 110
    assert {token for _, token in seen} == {"Bearer t0k"}
    assert planned(judged, given) == set()


def test_linear_plan_is_read_page_by_page_with_its_key(
    server: tuple[str, list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch, judged: Judge
) -> None:
    base, seen = server
    monkeypatch.setenv("LINEAR_API_KEY", "lin_key")
    given = fetch("o/n", base, f"{base}/graphql")
    plan = FACTS.get("linear")
    assert {entry.title for entry in given.linear or ()} == {
        plan["initiative"],
        plan["project"],
        *plan["milestones"],
    }
    assert [path for path, token in seen if token == "lin_key"].count("/graphql") == 5
    assert planned(judged, given) == set()

    monkeypatch.setenv("LINEAR_API_KEY", "wrong")
    with pytest.raises(BuilderContractsError, match="Authentication required") as caught:
        fetch("o/n", base, f"{base}/graphql")
    assert "wrong" not in str(caught.value)


def test_rejecting_or_absent_tracker_is_a_named_error(
    server: tuple[str, list[tuple[str, str]]],
) -> None:
    base, _ = server
    with pytest.raises(BuilderContractsError, match="answered 404"):
        fetch("somebody/else", base)
    with pytest.raises(BuilderContractsError, match="did not answer"):
        fetch("o/n", "http://127.0.0.1:9")
