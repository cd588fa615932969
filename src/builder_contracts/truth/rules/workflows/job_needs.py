"""Needs of jobs, and the promises of classes that meet them."""

from __future__ import annotations

import dataclasses
import math
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.isolation import DockerDaemon, NoNewPrivileges
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.errors import Location
from builder_contracts.tools.catalog import catalog
from builder_contracts.truth.debian import brings as brings_of
from builder_contracts.truth.known_software import known_software
from builder_contracts.truth.model import CiJob, CiStep, CompositeAction, LabelChoice
from builder_contracts.truth.readers.expressions import UNKNOWN, possible_values
from builder_contracts.truth.readers.shell import Command, called, commands
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.value import Value, get, text

DAEMON, ROOT = "docker-daemon", "root"
_DEPTH = 5
_INSTALLERS = re.compile(
    r"^(apt|apt-get|dnf|yum|apk|microdnf|zypper|pacman|pip|pip3|pipx|npm|brew|cargo|go|nix|nix-env|uv)$"
)
_INSTALLS = frozenset({"install", "add", "profile", "tool", "-i", "-iA", "i"})
# What a script brings in a way that its text does not show.
_BRINGS = re.compile(
    r"\|\s*(?:sudo\s+(?:-\S+\s+)*)?(?:ba|z|da)?sh\b|GITHUB_PATH|\bPATH=|\beval\s|(?:^|\n)\s*(?:source|\.)\s+\S"
    r"|\bchmod\s+\S*\+?x|/usr/local/bin|\.local/bin|\S/install(?:er)?(?:\.sh)?(?=\s|$)"
    r"|\b(?:apt|apt-get|dnf|yum|microdnf|apk|zypper|brew)(?:\s+-\S+)*\s+(?:install|add)\s[^\n;|&]*?(?<=[\s\"'])\$"
)
_GUARD = re.compile(r"\b(?:command\s+-v|which|type(?:\s+-[tpPa])?|hash)\s+([\w.+-]+)")
_FUNCTION = re.compile(r"^\s*(?:function\s+)?([\w-]+)\s*\(\)", re.MULTILINE)
_SETUP = re.compile(r"setup|install|toolchain|rust|devbox|devenv|mise|asdf", re.IGNORECASE)
_CONDITIONAL_ROOT = re.compile(r"\bcommand\s+-v|\bwhich\s|\bid -u\b|EUID|sudo -n")
# A script that starts a container with itself in it.
_ITSELF = re.compile(r"\b(?:docker|podman)\s+run\b")
_OWN_NAME = re.compile(r"\$\{?(?:0|BASH_SOURCE)\b")
# Subcommands of docker that ask no daemon.
_CLIENT_ONLY = frozenset({"--version", "-v", "--help", "help", "context", "plugin", "manifest"})
_DOCKER_VALUES = frozenset({"--context", "-c", "-H", "--host", "--config", "-l", "--log-level"})


@dataclass(frozen=True)
class StepNeed:
    """Something that a step needs of its runner, and why. ``unsure`` says why it may not."""

    what: str
    because: str
    at: Location
    unsure: str = ""


def steps_of(context: RuleContext, steps: Sequence[CiStep], depth: int = 0) -> Iterator[CiStep]:
    """The steps with those of composite actions that were read in their place."""
    for step in steps:
        yield step
        action = action_of(context, step)
        if action is not None and depth < _DEPTH:
            inputs = _inputs_of(action, step)
            inside = [inner for inner in action.steps if not is_skipped(inner, {}, inputs)]
            yield from steps_of(context, inside, depth + 1)


def action_of(context: RuleContext, step: CiStep) -> CompositeAction | None:
    """The action that a step uses, if it was read: of this checkout, or of another that was given."""
    written = text(step.uses) or ""
    uses = written.partition("@")[0]
    if "actions" not in context.memo:
        context.memo["actions"] = {action.path: action for action in context.model.actions}
    actions: Mapping[str, CompositeAction] = context.memo["actions"]
    if uses.startswith("./"):
        return actions.get(posixpath.normpath(uses))
    repository = context.facts("identity").get("repository", default="/").rpartition("/")[2].lower()
    parts = uses.split("/", 2)
    if len(parts) == 3 and parts[1].lower() == repository and parts[2] in actions:
        return actions[parts[2]]
    # One of another checkout has the name by which it is used.
    return actions.get(written)


def _inputs_of(action: CompositeAction, step: CiStep) -> Mapping[str, Sequence[Any]]:
    """What ``inputs.x`` is in an action: text, as it is passed or by default."""
    inputs: dict[str, Sequence[Any]] = {}
    for name, value in {**action.inputs, **step.arguments}.items():
        written = text(value)
        inputs[f"inputs.{name}"] = [UNKNOWN if written is None or "${{" in written else written]
    return inputs


def needs_of_job(context: RuleContext, job: CiJob, choice: LabelChoice) -> Iterator[StepNeed]:
    """Needs of a job that it does not install itself, if it asks for these labels."""
    if job.forge == "github":
        if (job.container is not None and get(job.container, "image") is not None) or text(job.container):
            yield StepNeed(DAEMON, "container:", job.container.at if job.container is not None else job.at)
        for service in job.services:
            yield StepNeed(DAEMON, "services:", service.at)
    steps = [step for step in job.steps if not is_skipped(step, choice.matrix)]
    yield from needs_of_steps(context, steps, in_container=job.forge == "gitlab" or job.container is not None)


def needs_of_steps(
    context: RuleContext, steps: Sequence[CiStep], *, in_container: bool
) -> Iterator[StepNeed]:
    """Needs of steps, those of composite actions of this repository included."""
    facts = context.facts("workflows")
    by_action: Mapping[str, str] = facts.get("actions", default={})
    brings: Mapping[str, list[str]] = facts.get("brings", default={})
    brought: set[str] = set()
    unsure = ""
    strangers: list[str] = []
    for step in steps_of(context, steps):
        may_fail = "the job goes on if the step fails" if step.may_fail else ""
        uses = text(step.uses) or ""
        action = uses.partition("@")[0]
        listed = known_software().actions.get(action)
        read = action_of(context, step)
        if step.uses is not None and read is not None and read.in_container:
            yield StepNeed(DAEMON, f"uses: {uses}, an action in a container", step.uses.at)
        if step.uses is not None and uses.startswith("docker://"):
            yield StepNeed(DAEMON, f"uses: {uses}", step.uses.at)
        need = by_action.get(action) or (listed.needs if listed else "")
        if step.uses is not None and need and need not in brought:
            yield StepNeed(need, f"uses: {action}", step.uses.at, may_fail)
        brought.update(brings.get(action, ()), listed.brings if listed else ())
        if (
            action
            and (read is None or not read.steps)
            and listed is None
            and action not in by_action
            and action not in brings
        ):
            strangers.append(action)
            if _SETUP.search(action):
                unsure = unsure or f"uses: {action} may bring it"
        script = text(step.run)
        if script is None or step.run is None:
            continue
        brought.update(_GUARD.findall(script))
        brought.update(_FUNCTION.findall(script))
        for step_need in _needs_of_script(context, step.run, script, brought):
            if in_container and step_need.what != DAEMON:
                continue
            named = next(
                (f"uses: {name} may bring it" for name in strangers if _brings(name, step_need.what)), ""
            )
            may_bring = "" if step_need.what in (DAEMON, ROOT) else unsure or named
            yield dataclasses.replace(step_need, unsure=step_need.unsure or may_fail or may_bring)
        if not unsure and (opaque := _BRINGS.search(script)):
            unsure = f"the script of step {step.name!r} ({' '.join(opaque[0].split())}) may bring it"


def _brings(action: str, tool: str) -> bool:
    """Whether an action is named for a tool, such as get-cmake or ccache-action."""
    return re.match(rf"(?:get-|install-)?{re.escape(tool)}(?![^\W_])", action.rpartition("/")[2]) is not None


def _names(written: str, tool: str) -> bool:
    """Whether a condition has the name of a tool as a word."""
    return re.search(rf"(?<![^\W_]){re.escape(tool)}(?![^\W_])", written, re.IGNORECASE) is not None


def _needs_of_script(
    context: RuleContext,
    run: Value,
    script: str,
    brought: set[str],
    depth: int = 0,
    arguments: Sequence[str] = (),
    doubt: str = "",
) -> Iterator[StepNeed]:
    """Needs of a script, and of what it starts in the checkout. ``doubt`` is why it may not run."""
    opaque = _BRINGS.search(script)
    opaque_line = script.count("\n", 0, opaque.start()) if opaque else math.inf
    script_commands = list(commands(script))
    reached = called(script_commands, arguments)
    for command in script_commands:
        words = command.words
        may_not_run = doubt or _may_not_run(command, reached, arguments, is_followed=depth > 0)
        because, at = " ".join(words[:3]), line_of(run, command)
        if "sudo" in command.through and not _CONDITIONAL_ROOT.search(script):
            yield StepNeed(ROOT, f"sudo {because}", at, may_not_run)
        if _INSTALLERS.match(words[0]) and len(words) > 1 and words[1] in _INSTALLS:
            brought.update(_installed(words))
        if depth < _DEPTH:
            yield from _followed(context, command, brought, depth, may_not_run)
        need = _tool_of(context, words)
        if need is None or words[0] in brought or need in brought or (command.environment and need != DAEMON):
            continue
        unsure = may_not_run
        if unsure or need == DAEMON:
            pass
        elif depth and _ITSELF.search(script) and _OWN_NAME.search(script):
            unsure = "this script also runs itself in a container"
        elif _names(command.conditions, words[0]):
            unsure = "the script asks about it first"
        elif command.line > opaque_line:
            unsure = "this script may bring it"
        yield StepNeed(need, because, at, unsure)


def _may_not_run(
    command: Command, reached: frozenset[str], arguments: Sequence[str], *, is_followed: bool
) -> str:
    """Why a script may leave out a command, or go on without it; empty if it does neither.

    What a step asks itself counts: who writes it there means it. A script of the checkout serves several callers.
    """
    if command.tolerated:
        return "the script goes on if it fails"
    if not is_followed:
        return ""
    if command.asked:
        return "the script asks whether it succeeds"
    if command.after_failure:
        return "it runs only if another command fails"
    if command.depends_on_a_value:
        return "a condition of the script may leave it out"
    if command.function not in reached or not command.is_chosen_by(arguments):
        return "this call of the script may not reach it"
    return ""


def _followed(
    context: RuleContext, command: Command, brought: set[str], depth: int, doubt: str
) -> Iterator[StepNeed]:
    """Needs of the recipes and scripts of the checkout that a command starts."""
    for recipe in context.model.recipes.started_by((command.path, *command.words[1:])):
        content = text(recipe) or ""
        # What a recipe defines or asks for is its own; what it installs stays.
        own = {*_GUARD.findall(content), *_FUNCTION.findall(content)} - brought
        brought.update(own)
        reason = doubt or (
            "a condition of the Makefile may leave it out"
            if recipe.at in context.model.recipes.conditional
            else ""
        )
        for need in _needs_of_script(context, recipe, content, brought, depth + 1, command.words[1:], reason):
            if not command.environment or need.what in (DAEMON, ROOT):
                yield need
        brought.difference_update(own)


def _installed(words: Sequence[str]) -> Iterator[str]:
    """The tools that a package manager's command brings."""
    for word in words[2:]:
        name = word.rpartition("#")[2].rpartition("/")[2].partition("@")[0].partition("=")[0]
        yield name
        yield from brings_of(name, recommended=True) or ()
        yield from (
            tool.name for tool in catalog().values() if any(name in held for held in tool.packages.values())
        )


def _tool_of(context: RuleContext, words: Sequence[str]) -> str | None:
    """The tool that a command needs, by the platform, the catalog or a class; None if it is none that they know."""
    name = words[0]
    if name == "docker":
        rest = list(words[1:])
        while rest and rest[0].startswith("-") and rest[0] not in _CLIENT_ONLY:
            option = rest.pop(0)
            if option in _DOCKER_VALUES and rest:
                rest.pop(0)
        return "docker" if not rest or rest[0] in _CLIENT_ONLY or rest[1:2] == ["version"] else DAEMON
    by_command: Mapping[str, str] = context.facts("workflows").get("commands", default={})
    declared = by_command.get(" ".join(words[:2])) or by_command.get(name)
    if declared is not None:
        return declared
    if name in _promised(context) or name in known_software().apart:
        return name
    tool = _catalog_names().get(name)
    return None if tool in known_software().essential else tool


@cache
def _catalog_names() -> Mapping[str, str]:
    also = {other: tool.name for tool in catalog().values() for other in tool.also}
    return {**also, **{name: name for name in catalog()}}


def _promised(context: RuleContext) -> frozenset[str]:
    """The tools that some class speaks of, except those that every runner has."""
    if "tools of classes" not in context.memo:
        named = {promise.name for contract in context.classes for promise in contract.promised(Tool)}
        context.memo["tools of classes"] = frozenset(named - known_software().essential)
    tools: frozenset[str] = context.memo["tools of classes"]
    return tools


def line_of(run: Value, command: Command) -> Location:
    written = text(run) or ""
    # A block scalar's text begins on the line after its key.
    return Location(run.at.file, run.at.line + command.line + (1 if "\n" in written else 0))


def promise_of(contract: Contract, need: str) -> tuple[bool, Location]:
    """Whether a class promises a need, and the line of the promise or of the class."""
    for clause in contract.clauses:
        if need == ROOT and isinstance(clause.promise, NoNewPrivileges):
            return not clause.promise.wanted, clause.source
        if need == DAEMON and isinstance(clause.promise, DockerDaemon):
            return clause.promise.reachable, clause.source
        if isinstance(clause.promise, Tool) and clause.promise.name == need:
            return clause.promise.present, clause.source
    return need == ROOT, contract.source


def classes_of(context: RuleContext, choice: LabelChoice) -> tuple[Contract, ...]:
    """The classes of which a job can get a runner when it asks for these labels."""
    return context.builders_of(text(label) or "" for label in choice.labels)


def is_skipped(
    step: CiStep, matrix: Mapping[str, str], inputs: Mapping[str, Sequence[Any]] = MappingProxyType({})
) -> bool:
    """Whether a step's ``if`` is false on a runner of the platform with these values of the matrix and of inputs."""
    condition = text(step.condition)
    if condition is None:
        return False
    written = condition.strip().removeprefix("${{").removesuffix("}}")
    return not any(
        possible_values(
            written, {**_RUNNER, **inputs, **{f"matrix.{key}": [value] for key, value in matrix.items()}}
        )
    )


# Runners of classes: https://docs.github.com/en/actions/reference/workflows-and-actions/contexts#runner-context
_RUNNER: Mapping[str, Sequence[str]] = {"runner.environment": ["self-hosted"], "runner.os": ["Linux"]}
