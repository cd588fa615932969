"""Needs of jobs, and the promises of classes that meet them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.isolation import DockerDaemon
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.errors import Location
from builder_contracts.truth.model import CiJob, CiStep, LabelChoice
from builder_contracts.truth.readers.shell import Command, commands
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.value import Value, text

DAEMON = "docker-daemon"
_INSTALLERS = re.compile(r"^(apt|apt-get|dnf|yum|apk|microdnf|zypper|pacman|pip|pip3|npm)$")

_COMPARED = re.compile(r"\(?\s*matrix\.(?P<key>[\w-]+)\s*(?P<operator>==|!=)\s*'(?P<value>[^']*)'\s*\)?")


@dataclass(frozen=True)
class StepNeed:
    """Something that a step needs of its runner, and why."""

    what: str
    because: str
    at: Location


def steps_of(context: RuleContext, steps: Sequence[CiStep], depth: int = 0) -> Iterator[CiStep]:
    """The steps with those of composite actions of this repository in their place."""
    repository = context.facts("identity").get("repository", default="/").rpartition("/")[2].lower()
    actions = {action.path: action for action in context.model.actions}
    for step in steps:
        yield step
        uses = (text(step.uses) or "").partition("@")[0]
        path = posixpath.normpath(uses) if uses.startswith("./") else None
        parts = uses.split("/", 2)
        if path is None and len(parts) == 3 and parts[1].lower() == repository:
            path = parts[2]
        action = actions.get(path) if path is not None else None
        if action is not None and depth < 5:
            yield from steps_of(context, action.steps, depth + 1)


def needs_of_job(context: RuleContext, job: CiJob, choice: LabelChoice) -> Iterator[StepNeed]:
    """Needs of a job's steps that the job does not install itself, if it asks for these labels."""
    facts = context.facts("workflows")
    by_command: Mapping[str, str] = facts.get("commands", default={})
    by_action: Mapping[str, str] = facts.get("actions", default={})
    brings: Mapping[str, list[str]] = facts.get("brings", default={})
    in_container = job.forge == "gitlab" or job.container is not None
    brought: set[str] = set()
    for step in steps_of(context, [step for step in job.steps if not is_skipped(step, choice.matrix)]):
        action = (text(step.uses) or "").partition("@")[0]
        if step.uses is not None and action in by_action:
            yield StepNeed(by_action[action], f"uses: {action}", step.uses.at)
        brought.update(brings.get(action, ()))
        script = text(step.run)
        if script is None or step.run is None:
            continue
        for command in commands(script):
            if _INSTALLERS.match(command.words[0]):
                brought.update(command.words[1:])
                continue
            need = by_command.get(" ".join(command.words[:2])) or by_command.get(command.words[0])
            if need is None or command.words[0] in brought or need in brought:
                continue
            if in_container and need != DAEMON:
                continue
            yield StepNeed(need, " ".join(command.words[:3]), line_of(step.run, command))


def line_of(run: Value, command: Command) -> Location:
    written = text(run) or ""
    # A block scalar's text begins on the line after its key.
    return Location(run.at.file, run.at.line + command.line + (1 if "\n" in written else 0))


def promise_of(contract: Contract, need: str) -> tuple[bool, Location]:
    """Whether a class promises a need, and the line of the promise or of the class."""
    for clause in contract.clauses:
        if need == DAEMON and isinstance(clause.promise, DockerDaemon):
            return clause.promise.reachable, clause.source
        if isinstance(clause.promise, Tool) and clause.promise.name == need:
            return clause.promise.present, clause.source
    return False, contract.source


def class_of(context: RuleContext, choice: LabelChoice) -> Contract | None:
    """The class that a job gets when it asks for these labels; None if no class has any of them."""
    names = [(text(label) or "").lower() for label in choice.labels]
    return next((context.builders[name] for name in names if name in context.builders), None)


def is_skipped(step: CiStep, matrix: Mapping[str, str]) -> bool:
    """Whether a step's ``if`` is false for these values of the matrix; anything that is not a plain comparison holds."""
    condition = (text(step.condition) or "").strip().removeprefix("${{").removesuffix("}}")
    if "||" in condition:
        return False
    for part in condition.split("&&"):
        match = _COMPARED.fullmatch(part.strip())
        if match and match["key"] in matrix:
            # GitHub compares text without case.
            equal = matrix[match["key"]].lower() == match["value"].lower()
            if equal != (match["operator"] == "=="):
                return True
    return False
