"""The tools that agents call, with their inputs, and answers as contracts/schema/answer.json describes them."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder_contracts.cli.explain import explain_id
from builder_contracts.cli.facts import changes
from builder_contracts.cli.select import choose_builder, to_data
from builder_contracts.contract import schemas
from builder_contracts.contract.loading import load_all
from builder_contracts.contract.model import Contract
from builder_contracts.dashboard.history.postgres import ServerAddress
from builder_contracts.errors import BuilderContractsError, ExitCode
from builder_contracts.redaction import learn_variables, redact_data
from builder_contracts.run.exit_status import MEANINGS, SHORT
from builder_contracts.run.inputs import contract_files
from builder_contracts.run.options import MCP, settings_of, usage_error
from builder_contracts.runner.process import run_cancellable
from builder_contracts.sources.cache import is_fetched

Answer = dict[str, Any]

SCHEMA = "builder-contracts/answer/v1"
MOST_NEXT = 10
"""Commands that an answer proposes: an agent reads all of them."""
_READ = "read from the contracts; nothing was judged"
_LONGEST_WORKFLOW = 1_000_000

_COMMAND = (sys.executable, "-P", "-m", "builder_contracts")
"""This command line. The directory in which it starts belongs to others: no module is taken from there (-P)."""


@dataclass(frozen=True)
class Workspace:
    """What the server may read and do: files below ``root``, runs only with ``allow_run``, ``limit`` seconds a tool."""

    root: Path
    contracts: str
    settings: tuple[str, ...] = ()
    history: Path | ServerAddress | None = None
    allow_run: bool = False
    limit: float = 600.0

    def inside(self, text: str) -> Path:
        """The path below the root, relative to it. Raises InputError for every other, also through a link."""
        root = self.root.resolve()
        path = (root / text).resolve()
        if not path.is_relative_to(root):
            raise usage_error(
                f"{text} is outside the directory that this server was started for",
                f"use a path below {root}",
            )
        return path.relative_to(root)

    def contracts_path(self) -> Path:
        """The contracts: below the root, or fetched from the source that the server was started with. Raises InputError."""
        return Path(self.contracts) if is_fetched(self.contracts) else self.inside(self.contracts)

    def load(self) -> list[Contract]:
        """The contracts. Raises InputError."""
        return load_all(contract_files([self.contracts_path()]), settings_of(MCP, self.settings))


Say = Callable[[str], Awaitable[None]]
"""Tells the client that a tool is at work."""


@dataclass(frozen=True)
class AgentTool:
    """A tool: its input, the kind of its answer, and what answers.

    ``read`` answers from files or a database. ``command`` gives the arguments of a command, which cleans up after itself.
    Both run in another process, because they must end at a limit and when the client no longer waits.
    """

    description: str
    properties: dict[str, Any]
    required: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    read: Callable[[Workspace, dict[str, Any]], Answer] | None = None
    command: Callable[[Workspace, dict[str, Any], Path], Sequence[str]] | None = None

    @property
    def input_schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": self.properties,
            "required": list(self.required),
            "additionalProperties": False,
        }

    @property
    def output_schema(self) -> dict[str, Any]:
        """The schema of answers with the fields of this tool; the verdict's is inside where it is needed."""
        whole = schemas.load("answer")
        fields = {*whole["required"], "error", *self.fields}
        properties = {name: field for name, field in whole["properties"].items() if name in fields}
        inside = {"$defs": {"verdict": schemas.load("verdict")}} if "verdicts" in fields else {}
        return {**whole, "properties": properties, **inside}


def answer(
    tool: str, code: ExitCode, next_commands: Iterable[str] = (), *, meaning: str = "", **fields: Any
) -> Answer:
    """An answer as plain data without secrets. ``meaning`` is the exit code in words, where the tool has its own."""
    commands = list(dict.fromkeys(filter(None, next_commands)))[:MOST_NEXT]
    data = {
        "schema": SCHEMA,
        "tool": tool,
        "exit_code": int(code),
        "meaning": meaning or SHORT[code],
        "next": commands,
    }
    return redact_data({**data, **fields})


def refusal(tool: str, error: BuilderContractsError, next_commands: Iterable[str] = ()) -> Answer:
    """The answer to a call that cannot be answered."""
    return answer(tool, error.exit_code, next_commands, error=str(error))


async def call(workspace: Workspace, name: str, arguments: dict[str, Any], say: Say) -> Answer:
    """The answer of a tool."""
    import anyio
    import anyio.to_process

    tool = TOOLS[name]
    try:
        if tool.command is not None:
            return await _run(workspace, name, tool.command, arguments, say)
        with anyio.fail_after(workspace.limit):
            return await anyio.to_process.run_sync(_read, workspace, name, arguments, cancellable=True)
    except TimeoutError:
        late = f"{name} took longer than {workspace.limit:g} s, and was ended"
        return answer(name, ExitCode.CANNOT_RUN, ["builder-contracts mcp --timeout SECONDS"], error=late)
    except anyio.BrokenWorkerProcess as error:
        return answer(name, ExitCode.CANNOT_RUN, error=f"{name} did not complete: {error}")
    except BuilderContractsError as error:
        return refusal(name, error)


def _read(workspace: Workspace, name: str, arguments: dict[str, Any]) -> Answer:
    """The answer of a tool that reads, in a process that no command line has set up."""
    learn_variables(os.environ)
    read = TOOLS[name].read
    assert read is not None
    try:
        return read(workspace, arguments)
    except BuilderContractsError as error:
        return refusal(name, error)


async def _run(
    workspace: Workspace,
    name: str,
    command: Callable[[Workspace, dict[str, Any], Path], Sequence[str]],
    arguments: dict[str, Any],
    say: Say,
) -> Answer:
    with tempfile.TemporaryDirectory() as scratch:
        words = [*command(workspace, arguments, Path(scratch)), "--format", "json"]
        for setting in workspace.settings:
            words += ["--set", setting]
        done = await run_cancellable([*_COMMAND, *words], deadline=workspace.limit, say=say)
    if done.status is None:
        return answer(
            name, ExitCode.CANNOT_RUN, ["builder-contracts mcp --timeout SECONDS"],
            error=f"{name} took longer than {workspace.limit:g} s, and was ended",
        )  # fmt: skip
    errors = done.stderr.decode("utf-8", "replace").strip()
    code = ExitCode(done.status) if done.status in set(ExitCode) else ExitCode.CANNOT_RUN
    try:
        report = json.loads(done.stdout)
    except ValueError:
        text = errors or f"'builder-contracts {words[0]}' ended with {done.status} and said nothing"
        # Without a document nothing was judged, whatever the command ended with.
        return answer(name, ExitCode.CANNOT_RUN if code is ExitCode.KEPT else code, error=text)
    return of_report(name, code, report, every=bool(arguments.get("all")))


def of_report(name: str, code: ExitCode, report: dict[str, Any], *, every: bool) -> Answer:
    """The answer that holds a run's report.

    What is kept and what can never be proven there is only counted, unless ``every`` verdict is asked for.
    """
    wrong = [
        verdict
        for verdict in report["verdicts"]
        if verdict["outcome"] in ("broken", "waived")
        or (verdict["outcome"] == "unproven" and verdict["provable_here"])
    ]
    inspect = [verdict["inspect"] for verdict in wrong if verdict["outcome"] == "broken"]
    more = [
        f"builder-contracts explain {verdict['clause']}"
        for verdict in wrong
        if not verdict["clause"].startswith("platform/")
    ]
    return answer(
        name,
        code,
        [*inspect, *more],
        meaning=MEANINGS[code].partition(";")[0],
        counts=report["counts"],
        verdicts=report["verdicts"] if every else wrong,
        unread=report["unread"],
    )


def _list_classes(workspace: Workspace, _: dict[str, Any]) -> Answer:
    contracts = workspace.load()
    classes = [
        {
            "class": contract.name,
            "summary": contract.summary,
            "image": contract.image,
            "file": contract.source.file,
            "clauses": len(contract.clauses),
        }
        for contract in contracts
    ]
    return answer("list_classes", ExitCode.KEPT, meaning=_READ, classes=classes)


def _list_clauses(workspace: Workspace, arguments: dict[str, Any]) -> Answer:
    contracts = workspace.load()
    name, section = arguments["class"], arguments.get("section")
    chosen = [contract for contract in contracts if contract.name == name]
    if not chosen:
        names = [contract.name for contract in contracts]
        guess = schemas.nearest(name, names)
        fix = f"did you mean {guess}?" if guess else f"use one of {', '.join(names)}"
        raise usage_error(f"no class named {name[:200]!r}", fix)
    clauses = [
        {"clause": clause.id, "promise": clause.promise.text, "location": str(clause.source)}
        for clause in chosen[0].clauses
        if section in (None, clause.kind)
    ]
    if not clauses:
        raise usage_error(f"{name} has no clause of section {section!r}", "leave out 'section' to list all")
    return answer("list_clauses", ExitCode.KEPT, meaning=_READ, clauses=clauses)


def _explain(workspace: Workspace, arguments: dict[str, Any]) -> Answer:
    explained = explain_id(arguments["clause"], workspace.load())
    commands = [explained[name] for name in ("check", "look") if name in explained]
    return answer("explain", ExitCode.KEPT, map(str, commands), meaning=_READ, explanation=explained)


def _diff(workspace: Workspace, arguments: dict[str, Any]) -> Answer:
    before, after = (workspace.inside(arguments[name]) for name in ("before", "after"))
    changed = {key: {"before": old, "after": new} for key, (old, new) in changes(before, after).items()}
    code = ExitCode.BROKEN if changed else ExitCode.KEPT
    return answer(
        "diff", code, meaning="something changed" if changed else "nothing changed", changes=changed
    )


def _select(workspace: Workspace, arguments: dict[str, Any]) -> Answer:
    folder = workspace.contracts_path()
    data = to_data(arguments["needs"], *choose_builder(arguments["needs"], [folder], workspace.settings))
    code = ExitCode.KEPT if data["label"] else ExitCode.BROKEN
    return answer(
        "select", code, meaning="a class fits" if data["label"] else "no class fits", selection=data
    )


def read_history(workspace: Workspace, _: dict[str, Any]) -> Answer:
    """What the last night showed of each class: what is broken since when, and what nobody reported. Raises InputError."""
    if workspace.history is None:
        raise usage_error("this server was started without a history", "start it with --history FILE")
    from builder_contracts.cli.history import night_data

    place = workspace.history
    classes = night_data(workspace.inside(str(place)) if isinstance(place, Path) else place, workspace.load())
    states = {entry["state"] for entry in classes}
    # Only what was seen and kept is success: an empty history shows nothing.
    code = (
        ExitCode.NOTHING_SELECTED
        if states <= {"unknown"}
        else ExitCode.BROKEN
        if "broken" in states
        else ExitCode.UNPROVEN
        if states & {"unproven", "unknown"}
        else ExitCode.KEPT
    )
    broken = [item["clause"] for entry in classes for item in entry["broken"]]
    return answer(
        "read_history", code, [f"builder-contracts explain {clause}" for clause in broken], classes=classes
    )


def _check(workspace: Workspace, arguments: dict[str, Any], _: Path) -> Sequence[str]:
    if not workspace.allow_run:
        raise usage_error(
            "this server only reads, and 'check' starts containers",
            "start it with 'builder-contracts mcp --allow-run'",
        )
    name, image = arguments["class"], arguments.get("image")
    # Every word is glued to its option: one that begins with a hyphen stays a value.
    words = ["check", f"--contracts={workspace.contracts_path()}", f"--builder={name}"]
    words += [f"--image={name}={image}"] if image else []
    return [*words, f"-k{arguments['keyword']}"] if arguments.get("keyword") else words


def _judge_repository(workspace: Workspace, arguments: dict[str, Any], _: Path) -> Sequence[str]:
    folder = workspace.inside(arguments.get("path", "."))
    return ["truth", f"--repo={folder}", f"--contracts={workspace.contracts_path()}"]


def _judge_workflows(workspace: Workspace, arguments: dict[str, Any], scratch: Path) -> Sequence[str]:
    text: str | None = arguments.get("text")
    path: str | None = arguments.get("path")
    if (text is None) == (path is None):
        raise usage_error("judge_workflows needs either 'path' or 'text'", "pass one of them")
    if path is not None:
        folder = Path.cwd() / workspace.inside(path)
    elif text is None or len(text.encode()) > _LONGEST_WORKFLOW:
        raise usage_error("the workflow exceeds a million bytes", "pass one workflow")
    else:
        folder = scratch
        file = scratch / ".github" / "workflows" / "workflow.yml"
        file.parent.mkdir(parents=True)
        file.write_text(text, "utf-8")
    return ["workflows", f"--contracts={workspace.contracts_path()}", str(folder)]


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, "minLength": 1, "maxLength": 4096, **more}


_ALL = {
    "type": "boolean",
    "description": "List also what is kept or cannot be proven there; it is only counted otherwise.",
}
_OF_A_RUN = ("counts", "verdicts", "unread")

TOOLS = {
    "list_classes": AgentTool("List the builder classes that contracts describe.", {}, fields=("classes",), read=_list_classes),
    "list_clauses": AgentTool(
        "List the clauses of a class: what it promises to jobs.",
        {"class": _text("Name of the class."), "section": _text("Only this section, such as toolchain.")},
        ("class",), ("clauses",), read=_list_clauses,
    ),
    "explain": AgentTool(
        "Explain a clause or a kind of clauses: promise, how it is judged, why it matters, causes and fix.",
        {"clause": _text("ID of a clause (CLASS/SECTION/NAME) or a section.")},
        ("clause",), ("explanation",), read=_explain,
    ),
    "check": AgentTool(
        "Start the runner of a class and check its clauses. Needs a server with --allow-run, and takes minutes.",
        {
            "class": _text("Name of the class."),
            "keyword": _text("Only clauses whose ID matches, such as 'toolchain/* and not xz'."),
            "image": _text("Image to check instead of the contract's."),
            "all": _ALL,
        },
        ("class",), _OF_A_RUN, command=_check,
    ),
    "diff": AgentTool(
        "Show what changed between two files that 'builder-contracts facts -o FILE' saved.",
        {"before": _text("Path of the earlier facts."), "after": _text("Path of the later facts.")},
        ("before", "after"), ("changes",), read=_diff,
    ),
    "select": AgentTool(
        "Pick the smallest class that fits a job, and say what the others lack.",
        {"needs": _text("Comma-separated needs: tools, docker-build, cpu=4, memory=12Gi, clauses.")},
        ("needs",), ("selection",), read=_select,
    ),
    "judge_repository": AgentTool(
        "Judge a checkout of a platform against its contracts, without running it.",
        {"path": _text("Root of the checkout (default: the server's root)."), "all": _ALL},
        fields=_OF_A_RUN, command=_judge_repository,
    ),
    "judge_workflows": AgentTool(
        "Judge workflows that use the platform's runners: those of a checkout, or one that is given as text.",
        {
            "path": _text("Root of the checkout."),
            "text": {"type": "string", "description": "A GitHub Actions workflow, instead of 'path'."},
            "all": _ALL,
        },
        fields=_OF_A_RUN, command=_judge_workflows,
    ),
    "read_history": AgentTool(
        "What the last nights showed of each class: broken since when, unproven, never reported.",
        {}, fields=("classes",), read=read_history,
    ),
}  # fmt: skip
"""Every tool, by its name."""
