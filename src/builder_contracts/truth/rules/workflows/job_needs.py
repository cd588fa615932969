"""What jobs need of their runner, and what classes promise."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.isolation import DockerDaemon
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.errors import Source
from builder_contracts.truth.context import Context
from builder_contracts.truth.model import Job, Step
from builder_contracts.truth.readers.shell import Command, commands
from builder_contracts.truth.value import Value, text

DAEMON = "docker-daemon"
_INSTALLERS = re.compile(r"^(apt|apt-get|dnf|yum|apk|microdnf|zypper|pacman|pip|pip3|npm)$")


@dataclass(frozen=True)
class Need:
    """Something that a step needs of its runner, and why."""

    what: str
    because: str
    at: Source


def steps_of(context: Context, steps: Sequence[Step], depth: int = 0) -> Iterator[Step]:
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


def needs_of_job(context: Context, job: Job) -> Iterator[Need]:
    """What the steps of a job need and do not bring with them."""
    facts = context.facts("workflows")
    by_command: Mapping[str, str] = facts.get("commands", default={})
    by_action: Mapping[str, str] = facts.get("actions", default={})
    brings: Mapping[str, list[str]] = facts.get("brings", default={})
    in_container = job.forge == "gitlab" or job.container is not None
    brought: set[str] = set()
    for step in steps_of(context, job.steps):
        action = (text(step.uses) or "").partition("@")[0]
        if step.uses is not None and action in by_action:
            yield Need(by_action[action], f"uses: {action}", step.uses.at)
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
            yield Need(need, " ".join(command.words[:3]), line_of(step.run, command))


def line_of(run: Value, command: Command) -> Source:
    written = text(run) or ""
    # A block scalar's text begins on the line after its key.
    return Source(run.at.file, run.at.line + command.line + (1 if "\n" in written else 0))


def promise_of(contract: Contract, need: str) -> tuple[bool, Source]:
    """Whether a class promises a need, and the line that says so or the class itself."""
    for clause in contract.clauses:
        if need == DAEMON and isinstance(clause.promise, DockerDaemon):
            return clause.promise.reachable, clause.source
        if isinstance(clause.promise, Tool) and clause.promise.name == need:
            return clause.promise.present, clause.source
    return False, contract.source


def class_of(context: Context, label: str) -> Contract | None:
    like = context.facts("enrolment").get("extra_scale_sets", label, "like")
    return context.labels.get(label) or next(
        (contract for contract in context.classes if contract.name == like), None
    )
