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
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.errors import BuilderContractsError, InputError
from builder_contracts.forge.client import github_api
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
    planned_names = FACTS.get("linear")
    names = [{"name": name} for name in planned_names["milestones"] if name != without]
    project = {"name": planned_names["project"], "projectMilestones": {"nodes": names}}
    return {
        "data": {
            "initiatives": {"nodes": [{"name": planned_names["initiative"]}]},
            "projects": {"nodes": [project]},
        }
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


WRONG = [
    ("{", 1, "not JSON"),
    ("3", 1, "neither a GitHub nor a Linear export"),
    ('{"a": 1}', 1, "neither a GitHub nor a Linear export"),
    ("[" * 100_000, 1, "not JSON"),
    ('{"milestones":\n {"a": 1}}', 2, 'milestones is {"a": 1}, expected a list'),
    ('[\n {"title": "x", "milestone": null},\n 7]', 3, "[1] is 7, expected an object"),
    ('[{"number": 1,\n "milestone": null}]', 1, "[0] is null, expected a title"),
    ('{"issues": [{"title":\n\n ["x"]}]}', 3, 'issues[0].title is ["x"], expected a title'),
    ('[{"title": "x",\n "milestone": "m"}]', 2, '[0].milestone is "m", expected a milestone or null'),
    ('[{"title": "x",\n "milestone": {"name": "m"}}]', 2, "[0].milestone is null, expected a milestone with a title"),
    ('{"initiatives": 3}', 1, "initiatives is 3, expected a list"),
    ('{"data": {"projects": {"nodes":\n [\n null]}}}', 3, "data.projects.nodes[0] is null, expected an object"),
    ('{"projects": [{"name": "p",\n "projectMilestones": {"nodes": [{}]}}]}', 2,
     "projects[0].projectMilestones.nodes[0] is null, expected an entry with a name"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "line", "message"), WRONG)
def test_export_of_wrong_shape_names_file_and_line(
    tmp_path: Path, body: str, line: int, message: str
) -> None:
    path = tmp_path / "export.json"
    path.write_text(body)
    with pytest.raises(InputError) as refused:
        read([path])
    (problem,) = refused.value.problems
    assert (str(problem.source), problem.fix != "") == (f"{path}:{line}", True)
    assert message in problem.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "nodes",
                    "issues",
                    "milestones",
                    "milestone",
                    "title",
                    "projects",
                    "initiatives",
                    "name",
                    "status",
                    "state",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(JSON, st.sampled_from([None, 2]))
def test_any_json_is_a_plan_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, data: Any, indent: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(data, indent=indent))
    lines: list[int] = []
    try:
        read([path])
    except InputError as error:
        lines = [problem.source.line for problem in error.problems]
    assert all(1 <= line <= len(path.read_text().splitlines()) for line in lines)


@pytest.mark.parametrize("body", ["{", "3"])
def test_a_file_that_is_no_export_is_refused(tmp_path: Path, body: str) -> None:
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
        query = parse_qs(urlsplit(self.path).query)
        assert (query["state"], query["per_page"]) == (["all"], ["100"])
        page = int(query.get("page", ["1"])[0])
        body = json.dumps(data[what][(page - 1) * 100 : page * 100]).encode()
        self.send_response(200)
        if page * 100 < len(data[what]):
            following = f"http://{self.headers['Host']}{self.path.partition('&page=')[0]}&page={page + 1}"
            self.send_header("Link", f'<{following}>; rel="next"')
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
        thread = Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", seen
        running.shutdown()
        thread.join()


def test_the_live_plan_is_read_page_by_page_with_the_token(
    server: tuple[str, list[tuple[str, str]]], judged: Judge
) -> None:
    base, seen = server
    given = fetch("o/n", {"GITHUB_API_URL": base, "GITHUB_TOKEN": "t0k"})
    assert len(given.issues) == 110
    assert {token for _, token in seen} == {"Bearer t0k"}
    assert planned(judged, given) == set()


def test_live_plan_of_linear_is_read_by_page_with_its_key(
    server: tuple[str, list[tuple[str, str]]], judged: Judge
) -> None:
    base, seen = server
    env = {"GITHUB_API_URL": base, "LINEAR_API_KEY": "lin_key"}
    given = fetch("o/n", env, linear_url=f"{base}/graphql")
    planned_names = FACTS.get("linear")
    assert {milestone.title for milestone in given.linear or ()} == {
        planned_names["initiative"],
        planned_names["project"],
        *planned_names["milestones"],
    }
    assert [path for path, token in seen if token == "lin_key"].count("/graphql") == 5
    assert planned(judged, given) == set()

    with pytest.raises(BuilderContractsError, match="Authentication required") as caught:
        fetch("o/n", env | {"LINEAR_API_KEY": "wrong"}, linear_url=f"{base}/graphql")
    assert "wrong" not in str(caught.value)


def test_rejecting_or_absent_server_is_an_error(
    server: tuple[str, list[tuple[str, str]]],
) -> None:
    base, _ = server
    with pytest.raises(BuilderContractsError, match=r": 404 .*\(set GITHUB_TOKEN\)"):
        fetch("somebody/else", {"GITHUB_API_URL": base})
    with pytest.raises(BuilderContractsError, match="no response"):
        fetch("o/n", {"GITHUB_API_URL": "http://127.0.0.1:9"})


@pytest.mark.parametrize(
    ("env", "api"),
    [
        ({}, "https://api.github.com"),
        ({"GITHUB_SERVER_URL": "https://github.com"}, "https://api.github.com"),
        ({"GITHUB_SERVER_URL": "https://git.example.com/"}, "https://git.example.com/api/v3"),
        ({"GITHUB_SERVER_URL": "https://octo.ghe.com"}, "https://api.octo.ghe.com"),
        ({"GITHUB_API_URL": "https://x/api/v3", "GITHUB_SERVER_URL": "https://y"}, "https://x/api/v3"),
    ],
)
def test_github_server_is_the_one_of_the_environment(env: dict[str, str], api: str) -> None:
    assert github_api(env) == api
