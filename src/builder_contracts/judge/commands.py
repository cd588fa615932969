"""Judges promises about commands of a job."""

from __future__ import annotations

import json

from builder_contracts.contract.promises.commands import JobCommand, OutputPatterns
from builder_contracts.facts.model import (
    HUNG,
    NOT_ASKED,
    CommandFacts,
    Facts,
    Seen,
    Unseen,
)
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.interruption import doubt
from builder_contracts.judge.toolchain import likely_cause
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept


def judge(promise: JobCommand, facts: Facts) -> Assessment:
    inspect = f".commands[{json.dumps(promise.name)}]"
    command = facts.commands.get(promise.name, NOT_ASKED)
    if isinstance(command, Unseen):
        return unproven_because(command, inspect)
    output = command.output or "no output"
    if command.status != promise.status and (
        doubtful := doubt(f"'{promise.line}'", command.status, command.control, inspect)
    ):
        return doubtful
    if command.status == HUNG and promise.status != HUNG:
        return broken(
            f"'{promise.line}' did not end within {promise.within} s: {output}",
            likely_cause(HUNG, ""),
            inspect=inspect,
        )
    if command.status != promise.status:
        return broken(
            f"'{promise.line}' exited with status {command.status}: {output}",
            _cause(promise, command),
            inspect=inspect,
        )
    seen = [f"exited with status {command.status}"]
    problems = [
        _stream(promise, command, "stdout", promise.stdout, command.stdout, seen, inspect),
        _stream(promise, command, "stderr", promise.stderr, command.stderr, seen, inspect),
    ]
    # What is broken goes before what was not seen.
    problems.sort(key=lambda problem: problem is None or not problem.cause)
    return problems[0] or problems[1] or kept(", ".join(seen), inspect=inspect)


def _cause(promise: JobCommand, command: CommandFacts) -> str:
    if command.status == 0:
        return f"it succeeds, and must exit with {promise.status}"
    # The engines' own words for a program that does not start.
    if command.status in (126, 127) and "not found" in command.output:
        return f"the image lacks {promise.arguments[0]}, or its directory is not on PATH"
    return likely_cause(command.status, command.output)


def _stream(
    promise: JobCommand,
    command: CommandFacts,
    name: str,
    patterns: OutputPatterns,
    lines: dict[str, Seen[str | None]],
    seen: list[str],
    inspect: str,
) -> Assessment | None:
    """The problem with one stream of output, or None."""
    problem = None
    for pattern in patterns.all:
        line = lines.get(pattern.pattern, NOT_ASKED)
        where = f"{inspect}.{name}[{json.dumps(pattern.pattern)}]"
        if isinstance(line, Unseen):
            problem = problem or unproven_because(line, where)
        elif line is None and pattern in patterns.matches:
            return broken(
                f"{name} of '{promise.line}' does not match /{pattern.pattern}/: {command.output or 'no output'}",
                "another release or configuration of the program prints another text",
                inspect=where,
            )
        elif line is not None and pattern in patterns.forbids:
            return broken(
                f"{name} of '{promise.line}' matches /{pattern.pattern}/: {line}",
                "a release or configuration of the program brings the forbidden text",
                inspect=where,
            )
        elif line is not None:
            seen.append(f"{name}: {line}")
    return problem


def explain(promise: JobCommand) -> Explanation:
    return Explanation(
        how=f"The job's user runs '{promise.line}' in the job's directory. No shell reads its arguments, and it gets "
        "the job's variables and those of the clause. Status, time and output are compared as far as they are "
        "promised; of the output, at most 64 KiB a stream.",
        unproven=f"{RUNNER_LOST}; its time was up, or it was killed, and a control command was late too; a stream has more than 64 KiB; or a pattern takes too long to search.",
        why="A job depends on what the command does in this runner, and no single fact shows that.",
        breaks="A missing program, another release, a configuration file, a limit, a lost mount.",
        fix=f"Run the command in the image, and change the image until this holds: {promise.text}.",
    )
