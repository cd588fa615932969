"""Runs the commands that a contract promises, as the job's user and without a shell between."""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.commands import JobCommand, OutputPatterns
from builder_contracts.facts.model import ENDED_FROM_OUTSIDE, HUNG, CommandFacts, Seen, Unseen
from builder_contracts.observe import second_try
from builder_contracts.observe.text_search import MOST_TEXT, matching_lines, shown_line
from builder_contracts.runner.protocol import CompletedCommand, Runner

_AT_ONCE = 4

# The first argument is the input, the second the number of variables that follow: the shell sets what an engine's exec
# cannot, and expands none of it.
_WRAPPER = """
input=$1 count=$2
shift 2
while [ "$count" -gt 0 ]; do export "$1"; shift; count=$((count - 1)); done
printf %s "$input" | "$@"
"""


def observe(contract: Contract, runner: Runner, *, lost: str) -> dict[str, Seen[CommandFacts]]:
    """How the commands ended. ``lost`` is why nothing can run in the runner any more, or empty."""
    commands: list[JobCommand] = contract.promised(JobCommand)
    if lost:
        return {command.name: Unseen(lost) for command in commands}
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="command") as pool:
        return dict(
            zip(
                [command.name for command in commands],
                pool.map(lambda c: _run(c, runner), commands),
                strict=True,
            )
        )


def program(command: JobCommand) -> list[str]:
    """The arguments that start a command: its own, unless it needs input or variables."""
    if command.stdin is None and not command.environment:
        return list(command.arguments)
    variables = [f"{name}={value}" for name, value in command.environment]
    wrapper = ["/bin/sh", "-c", _WRAPPER, "sh"]
    return [*wrapper, command.stdin or "", str(len(variables)), *variables, *command.arguments]


def _run(command: JobCommand, runner: Runner) -> Seen[CommandFacts]:
    started_at = time.monotonic()
    completed = runner.execute(program(command), deadline=command.within)
    facts = read(command, completed, late=time.monotonic() - started_at >= command.within)
    if isinstance(facts, CommandFacts) and facts.status in ENDED_FROM_OUTSIDE:
        # It may change what it works on, so it has no second try.
        return dataclasses.replace(facts, control=second_try.control(runner))
    return facts


def read(command: JobCommand, completed: CompletedCommand, *, late: bool) -> Seen[CommandFacts]:
    """The facts of a command that ended. Pure, but for the secrets that it learns."""
    stdout, stderr = (
        stream.decode("utf-8", errors="replace") for stream in (completed.stdout, completed.stderr)
    )
    output = shown_line((stderr.strip() or stdout.strip())[:MOST_TEXT])
    if completed.ended or completed.status is None:
        if late:
            return CommandFacts(HUNG, output)
        return Unseen(f"'{command.line}' did not complete: {completed.ended or 'no exit status'}")
    return CommandFacts(
        completed.status,
        output,
        _lines(stdout, command.stdout, "standard output"),
        _lines(stderr, command.stderr, "standard error"),
    )


def _lines(text: str, patterns: OutputPatterns, name: str) -> dict[str, Seen[str | None]]:
    if len(text) > MOST_TEXT:
        long = Unseen(f"{name} has more than {MOST_TEXT} characters")
        return {pattern.pattern: long for pattern in patterns.all}
    return matching_lines(text, patterns.all, name)
