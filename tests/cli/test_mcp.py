"""The server of agents, asked by the official client: as a process over stdio, and over HTTP."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import jsonschema
import pytest
from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import McpError
from pydantic import AnyUrl

from builder_contracts.cli.mcp import loopback
from builder_contracts.cli.mcp_tools import TOOLS, Workspace, call, of_report
from builder_contracts.contract import schemas
from builder_contracts.dashboard.history.postgres import ServerAddress
from builder_contracts.errors import ExitCode, InputError
from builder_contracts.runner.process import run_cancellable
from builder_contracts.sources.cache import store
from tests.cli.terminal import COMMAND, run
from tests.plugin.conftest import SAMPLE

pytestmark = pytest.mark.xdist_group("mcp")

SECRET = "ghp_" + "a1B2c3D4" * 5
BUILD = "on: push\njobs:\n  build:\n    runs-on: here\n    steps:\n      - run: docker build .\n"
JUNIT = """<testsuite name="here" timestamp="2026-03-12T02:00:00+00:00"><testcase classname="toolchain" name="sh">
<failure message="gone"/></testcase></testsuite>"""
CALLS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "classes": ("list_classes", {}),
    "clauses": ("list_clauses", {"class": "here", "section": "toolchain"}),
    "wrong class": ("list_clauses", {"class": "hre"}),
    "explanation": ("explain", {"clause": "here/toolchain/no-such-tool"}),
    "fits": ("select", {"needs": "sh"}),
    "fits none": ("select", {"needs": "memory=4Ti"}),
    "outside": ("diff", {"before": "../outside.json", "after": "inside.json"}),
    "linked outside": ("diff", {"before": "inside.json", "after": "link.json"}),
    "refused run": ("check", {"class": "here"}),
    "history": ("read_history", {}),
    "broken workflow": ("judge_workflows", {"text": BUILD}),
    "no workflow": ("judge_workflows", {"text": "{{{"}),
    "not both": ("judge_workflows", {"text": BUILD, "path": "."}),
    "outside checkout": ("judge_workflows", {"path": "/"}),
    "no such tool": ("format_disk", {}),
}


async def no_progress(_: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Conversation:
    """What a client was told."""

    tools: dict[str, types.Tool]
    resources: dict[str, str]
    results: dict[str, types.CallToolResult]
    progress: list[str]

    def answer(self, name: str) -> dict[str, Any]:
        data = self.results[name].structuredContent
        assert data is not None, self.results[name]
        return data


def parameters(folder: Path, *options: str) -> StdioServerParameters:
    program, *arguments = COMMAND
    # The client hands over no variable that it is not told of.
    variables = {"BUILDER_CONTRACTS_CACHE": "", "DOCKER_HOST": "tcp://127.0.0.1:9", "SOME_TOKEN": SECRET}
    return StdioServerParameters(
        command=program, args=[*arguments, "mcp", *options], cwd=folder, env=variables
    )


async def converse(folder: Path) -> Conversation:
    heard: list[str] = []

    async def listen(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async with (
        stdio_client(parameters(folder, "--history", "history.db")) as (incoming, outgoing),
        ClientSession(incoming, outgoing) as session,
    ):
        await session.initialize()
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        resources = {}
        for resource in (await session.list_resources()).resources:
            (content,) = (await session.read_resource(resource.uri)).contents
            assert isinstance(content, types.TextResourceContents)
            resources[str(resource.uri)] = content.text
        with pytest.raises(McpError, match="no resource"):
            await session.read_resource(AnyUrl("builder-contracts://contracts/nobody"))
        results = {
            name: await session.call_tool(tool, arguments, progress_callback=listen)
            for name, (tool, arguments) in CALLS.items()
        }
    return Conversation(tools, resources, results, heard)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mcp") / "root"
    (folder / "contracts").mkdir(parents=True)
    (folder / "contracts" / "here.yaml").write_text(f"{SAMPLE}# {SECRET}\n")
    (folder.parent / "outside.json").write_text("{}")
    (folder / "link.json").symlink_to(folder.parent / "outside.json")
    (folder / "inside.json").write_text("{}")
    (folder / "junit.xml").write_text(JUNIT)
    added = run("history", "add", "--history", "history.db", "--builder", "here", "junit.xml", cwd=folder)
    assert added.status == 0, added.err
    return folder


@pytest.fixture(scope="module")
def conversation(root: Path) -> Conversation:
    return anyio.run(converse, root)


def test_every_tool_is_offered_with_valid_schemas(conversation: Conversation) -> None:
    assert conversation.tools.keys() == TOOLS.keys()
    for tool in conversation.tools.values():
        for schema in (tool.inputSchema, tool.outputSchema):
            assert schema is not None
            jsonschema.Draft202012Validator.check_schema(schema)
        assert (tool.annotations and tool.annotations.readOnlyHint) == (tool.name != "check")


@pytest.mark.parametrize("name", CALLS)
def test_each_answer_follows_the_schema_of_its_tool(conversation: Conversation, name: str) -> None:
    tool = CALLS[name][0]
    data = conversation.answer(name)
    schema = TOOLS[tool].output_schema if tool in TOOLS else schemas.load("answer")
    jsonschema.validate(data, schema)
    assert conversation.results[name].isError == ("error" in data)
    # A client without structured answers reads the same.
    (content,) = conversation.results[name].content
    assert isinstance(content, types.TextContent)
    assert json.loads(content.text) == data


def test_a_class_is_listed_with_its_clauses(conversation: Conversation) -> None:
    (listed,) = conversation.answer("classes")["classes"]
    assert (listed["class"], listed["file"]) == ("here", "contracts/here.yaml")
    clauses = [clause["clause"] for clause in conversation.answer("clauses")["clauses"]]
    assert clauses == ["here/toolchain/sh", "here/toolchain/no-such-tool", "here/toolchain/forgotten"]


def test_what_judged_nothing_does_not_say_kept(conversation: Conversation) -> None:
    for name in ("classes", "clauses", "explanation"):
        assert conversation.answer(name)["meaning"].endswith("nothing was judged")


def test_a_misspelt_class_is_guessed(conversation: Conversation) -> None:
    answer = conversation.answer("wrong class")
    assert (answer["exit_code"], "did you mean here?" in answer["error"]) == (3, True)


def test_an_explanation_has_a_fix_and_a_next_command(conversation: Conversation) -> None:
    answer = conversation.answer("explanation")
    assert answer["explanation"]["matters"] == "nothing works without it"
    assert answer["explanation"]["fix"]
    assert any(command.startswith("builder-contracts facts") for command in answer["next"])


def test_a_selection_says_whether_a_class_fits(conversation: Conversation) -> None:
    fits, none = conversation.answer("fits"), conversation.answer("fits none")
    assert (fits["exit_code"], fits["selection"]["label"]) == (0, "here")
    assert (none["exit_code"], none["selection"]["label"]) == (1, None)


@pytest.mark.parametrize("name", ["outside", "linked outside", "outside checkout"])
def test_a_path_outside_the_root_is_refused(conversation: Conversation, name: str) -> None:
    answer = conversation.answer(name)
    assert answer["exit_code"] == 3
    assert "outside the directory that this server was started for" in answer["error"]


def test_a_check_is_refused_unless_runs_are_allowed(conversation: Conversation) -> None:
    answer = conversation.answer("refused run")
    assert (answer["exit_code"], "verdicts" in answer) == (3, False)
    assert "builder-contracts mcp --allow-run" in answer["error"]


def test_a_broken_workflow_is_cited_with_its_line(conversation: Conversation) -> None:
    answer = conversation.answer("broken workflow")
    (broken,) = [verdict for verdict in answer["verdicts"] if verdict["outcome"] == "broken"]
    assert (answer["exit_code"], broken["clause"]) == (1, "platform/workflows/needs")
    assert ".github/workflows/workflow.yml:6" in broken["observation"]
    assert broken["fix"]


def test_what_is_no_workflow_is_unproven(conversation: Conversation) -> None:
    answer = conversation.answer("no workflow")
    assert (answer["exit_code"], answer["counts"]["kept"]) == (2, 0)


def test_the_history_names_broken_and_never_reported(conversation: Conversation) -> None:
    answer = conversation.answer("history")
    (here,) = answer["classes"]
    # The night is long over: what broke in it is stale, and nothing of it counts as kept.
    assert answer["exit_code"] != 0
    assert here["counts"]["kept"] == 0
    assert "here/network/resolve/localhost" in here["never_reported"]
    assert (
        json.loads(conversation.resources["builder-contracts://last-night"])["classes"] == answer["classes"]
    )


def test_resources_are_contracts_and_schemas(conversation: Conversation) -> None:
    contract = conversation.resources["builder-contracts://contracts/here"]
    assert contract.startswith(SAMPLE)
    assert json.loads(conversation.resources["builder-contracts://schemas/verdict"]) == schemas.load(
        "verdict"
    )


def test_no_secret_is_in_any_answer(conversation: Conversation) -> None:
    said = [result.model_dump_json() for result in conversation.results.values()]
    assert SECRET not in "".join([*said, *conversation.resources.values(), *conversation.progress])
    assert "(redacted)" in conversation.resources["builder-contracts://contracts/here"]


def test_a_check_without_an_engine_is_not_kept(root: Path) -> None:
    async def ask() -> types.CallToolResult:
        async with (
            stdio_client(parameters(root, "--allow-run")) as (incoming, outgoing),
            ClientSession(incoming, outgoing) as session,
        ):
            await session.initialize()
            return await session.call_tool("check", {"class": "here"})

    answer = anyio.run(ask).structuredContent
    assert answer is not None
    assert answer["exit_code"] == ExitCode.CANNOT_RUN
    assert {verdict["outcome"] for verdict in answer["verdicts"]} == {"unproven"}


def test_http_serves_the_same_tools_and_no_other_host(root: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/mcp"

    async def ask() -> set[str]:
        while True:
            try:
                async with (
                    streamable_http_client(address) as (incoming, outgoing, _),
                    ClientSession(incoming, outgoing) as session,
                ):
                    await session.initialize()
                    return {tool.name for tool in (await session.list_tools()).tools}
            except* OSError:
                await anyio.sleep(0.1)
            except* Exception as failed:  # the server does not listen yet
                if "connect" not in str(failed.exceptions).lower():
                    raise
                await anyio.sleep(0.1)

    async def bounded() -> set[str]:
        with anyio.fail_after(60):
            return await ask()

    server = subprocess.Popen(
        [*COMMAND, "mcp", "--http", f"127.0.0.1:{port}"], cwd=root, stderr=subprocess.PIPE
    )
    try:
        assert anyio.run(bounded) == TOOLS.keys()
        import requests

        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            reply = requests.post(address, json={}, headers=headers, timeout=30)
            assert reply.status_code in (403, 421)
    finally:
        server.terminate()
        server.communicate(timeout=30)


@pytest.mark.parametrize("text", ["127.0.0.1:80", "[::1]:8765", "localhost:8765", "127.1.2.3:1"])
def test_a_loopback_address_is_accepted(text: str) -> None:
    host, port = loopback(text)
    assert text.replace("[", "").replace("]", "") == f"{host}:{port}"


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0:80", "[::]:80", "192.168.1.2:80", "example.org:80", "127.0.0.1", ":80", "", "127.0.0.1:99999",
     "a@127.0.0.1:80", "127.0.0.1:80/mcp", "[::1:80"],
)  # fmt: skip
def test_an_address_that_others_reach_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="use a loopback address"):
        loopback(text)


def test_a_root_without_contracts_is_no_traceback(tmp_path: Path) -> None:
    done = run("mcp", "--contracts", "../elsewhere", cwd=tmp_path)
    assert (done.status, "outside the directory" in done.err, "Traceback" in done.err) == (3, True, False)


def test_fetched_contracts_are_served_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "root").mkdir()
    fetched = Workspace(tmp_path / "root", str(store({"sample.yaml": SAMPLE.encode()})))
    assert [contract.name for contract in fetched.load()] == ["here"]
    with pytest.raises(InputError, match="outside the directory"):
        Workspace(tmp_path / "root", str(tmp_path)).load()


def test_a_tool_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        address = ServerAddress(f"postgresql://127.0.0.1:{port}/history?connect_timeout=3600")
        (tmp_path / "here.yaml").write_text(SAMPLE)
        workspace = Workspace(tmp_path, "here.yaml", history=address, limit=4)
        data = anyio.run(call, workspace, "read_history", {}, no_progress)
        assert "took longer than 4 s, and was ended" in data["error"]
        silent.settimeout(0.1)
        try:
            connection, _ = silent.accept()
        except TimeoutError:
            # The machine was too busy to connect in time: nothing has to be closed.
            return
        with connection:
            connection.settimeout(60)
            while connection.recv(1000):
                pass


def test_a_file_of_the_root_is_named_from_the_root(tmp_path: Path) -> None:
    assert Workspace(tmp_path, "contracts").inside(f"{tmp_path}/a/../b") == Path("b")


def verdict(outcome: str, *, provable_here: bool = True) -> dict[str, Any]:
    return {
        "clause": f"x/tools/{outcome}",
        "outcome": outcome,
        "provable_here": provable_here,
        "inspect": "look",
    }


def test_an_answer_lists_what_needs_attention() -> None:
    limit = verdict("unproven", provable_here=False)
    verdicts = [verdict("kept"), verdict("broken"), verdict("waived"), verdict("unproven"), limit]
    report = {"verdicts": verdicts, "counts": {"kept": 1}, "unread": []}
    assert of_report("check", ExitCode.BROKEN, report, every=True)["verdicts"] == verdicts
    short = of_report("check", ExitCode.BROKEN, report, every=False)
    assert short["verdicts"] == verdicts[1:4]
    assert short["next"][:2] == ["look", "builder-contracts explain x/tools/broken"]


CLEANS_UP = "trap 'echo removed > done; exit' TERM; echo ready >&2; while :; do sleep 0.05; done"


@pytest.mark.parametrize("by", ["deadline", "cancel"])
def test_a_command_that_is_ended_cleans_up_first(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def end() -> int | None:
        with anyio.CancelScope() as scope:

            async def say(line: str) -> None:
                if by == "cancel" and line == "ready":
                    scope.cancel()

            done = await run_cancellable(
                ["/bin/sh", "-c", CLEANS_UP], deadline=60 if by == "cancel" else 1, say=say
            )
            return done.status
        return None

    assert anyio.run(end) is None
    assert Path("done").read_text() == "removed\n"


def test_a_command_that_ends_has_its_status_and_output(tmp_path: Path) -> None:
    said: list[str] = []

    async def say(line: str) -> None:
        said.append(line)

    async def complete() -> tuple[int | None, bytes]:
        done = await run_cancellable(
            [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"],
            deadline=60,
            say=say,
        )
        return done.status, done.stdout

    assert anyio.run(complete) == (3, b"out\n")
    assert said == ["err"]
