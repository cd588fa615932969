"""Read the commands that a step's shell script calls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Parser

_EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)
# Words before a command that start it, and their options that take a word of their own.
_STARTERS: Mapping[str, frozenset[str]] = {
    "command": frozenset(),
    "doas": frozenset({"-u", "-C"}),
    "env": frozenset({"-u", "--unset", "-C", "--chdir"}),
    "exec": frozenset({"-a"}),
    "ionice": frozenset({"-c", "-n"}),
    "nice": frozenset({"-n", "--adjustment"}),
    "nohup": frozenset(),
    "setsid": frozenset(),
    "stdbuf": frozenset({"-i", "-o", "-e"}),
    "sudo": frozenset({"-u", "--user", "-g", "--group", "-h", "--host", "-p", "--prompt", "-C", "-D", "-T"}),
    "time": frozenset({"-f", "-o"}),
    "timeout": frozenset({"-k", "--kill-after", "-s", "--signal"}),
    "xargs": frozenset(
        {"-n", "-I", "-P", "-L", "-d", "-a", "-s", "-E", "--max-args", "--max-procs", "--delimiter"}
    ),
}
# Commands whose first word is not the command that they start: a duration, a signal.
_WITH_ARGUMENT = frozenset({"timeout"})
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh"})
_SCRIPT_OPTION = re.compile(r"-[a-z]*c")
# Commands that start another in an environment of their own, and the options before it: its tools come from there.
_ENVIRONMENTS: Mapping[tuple[str, ...], frozenset[str]] = {
    ("nix", "develop"): frozenset({"-c", "--command"}),
    ("nix", "shell"): frozenset({"-c", "--command"}),
    ("nix-shell",): frozenset({"--run", "--command"}),
    ("direnv", "exec"): frozenset(),
    ("devenv", "shell"): frozenset(),
}
# Commands that start a shell which is not the runner's.
_ELSEWHERE = frozenset(
    {"docker", "podman", "nerdctl", "kubectl", "ssh", "nix", "nix-shell", "chroot", "buildah"}
)
_DEPTH = 5

_WORDS = frozenset({"command_name", "word", "string", "raw_string", "ansi_c_string", "concatenation", "number",
                    "simple_expansion", "expansion", "command_substitution"})  # fmt: skip


_MAX_WORD = 20_000
_MAX_CONDITIONS = 500
# Where what a conditional starts begins.
_ARMS = frozenset({"then", "in"})


@dataclass(frozen=True)
class Command:
    """A command with its words, and the line of the script from 0 that it begins at.

    ``through`` are the commands that start it (``sudo``, ``timeout``). ``environment`` is the command that brings its
    tools, such as ``nix develop``; empty if they are the runner's. ``path`` is the command as it is written,
    ``conditions`` what the script asks before it.
    """

    words: tuple[str, ...]
    line: int
    through: tuple[str, ...] = ()
    environment: str = ""
    path: str = ""
    conditions: str = ""


@cache
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


def commands(script: str, depth: int = 0) -> Iterator[Command]:
    """Every command in the order of the script, those that others start included.

    Expressions of a CI system are replaced by one word.
    """
    raw = _EXPRESSION.sub(lambda expression: "EXPRESSION" + "\n" * expression[0].count("\n"), script).encode()
    pending = [(_parser().parse(raw).root_node, "")]
    while pending:
        node, conditions = pending.pop()
        if node.type == "command":
            words = tuple(
                # Commands nest inside words: without a limit their text would be copied once a level.
                raw[child.start_byte : min(child.end_byte, child.start_byte + _MAX_WORD)]
                .decode("utf-8", "replace")
                .strip("\"'")
                for child in node.named_children
                if child.type in _WORDS
            )
            if words:
                yield from started(Command(words, node.start_point.row, conditions=conditions), depth)
        arms = next((child.start_byte for child in node.children if child.type in _ARMS), node.end_byte)
        asked = raw[node.start_byte : arms].decode("utf-8", "replace") if arms < node.end_byte else ""
        within = f"{asked} {conditions}"[:_MAX_CONDITIONS] if asked else conditions
        pending.extend(
            (child, within if child.start_byte > arms else conditions)
            for child in reversed(node.named_children)
        )


def started(command: Command, depth: int = 0) -> Iterator[Command]:
    """A command, or those that it starts: ``sudo``, ``bash -c`` and ``nix develop -c`` are followed."""
    words, through = command.words, command.through
    while len(words) > 1 and words[0].rpartition("/")[2] in _STARTERS:
        starter = words[0].rpartition("/")[2]
        # 'command -v' only asks.
        if starter == "command" and words[1].startswith("-"):
            break
        rest = _without_options(words[1:], _STARTERS[starter])
        if starter in _WITH_ARGUMENT:
            rest = rest[1:]
        if not rest:
            break
        words, through = rest, (*through, starter)
    path, words = words[0], (words[0].rpartition("/")[2], *words[1:])
    yield from _inside(replace(command, words=words, through=through, path=path), depth)


def _inside(command: Command, depth: int) -> Iterator[Command]:
    words = command.words
    shell = next(
        (
            place
            for place, word in enumerate(words[:-2])
            if word.rpartition("/")[2] in _SHELLS and _SCRIPT_OPTION.fullmatch(words[place + 1])
        ),
        None,
    )
    if shell != 0:
        yield command
    if shell is not None and words[0] not in _ELSEWHERE and depth < _DEPTH:
        for inner in commands(words[shell + 2], depth + 1):
            yield replace(
                inner,
                line=command.line + inner.line,
                through=(*command.through, *inner.through),
                environment=inner.environment or command.environment,
                conditions=f"{command.conditions} {inner.conditions}",
            )
        return
    opening = next((opening for opening in _ENVIRONMENTS if words[: len(opening)] == opening), None)
    if opening is None or depth >= _DEPTH:
        return
    options = _ENVIRONMENTS[opening]
    if options:
        place = next((place for place, word in enumerate(words) if word in options), None)
    else:
        # The word after the folder.
        place = len(opening)
    if place is None or place + 1 >= len(words):
        return
    rest = words[place + 1 :]
    name = " ".join(opening)
    inner_commands = (
        commands(rest[0], depth + 1) if opening == ("nix-shell",) else started(Command(rest, 0), depth + 1)
    )
    for inner in inner_commands:
        yield replace(
            inner,
            line=command.line + inner.line,
            environment=inner.environment or name,
            conditions=f"{command.conditions} {inner.conditions}",
        )


def _without_options(words: tuple[str, ...], valued: frozenset[str]) -> tuple[str, ...]:
    """The words after the options and assignments at the beginning."""
    rest = list(words)
    while rest and (rest[0].startswith("-") or "=" in rest[0]):
        option = rest.pop(0)
        if option == "--":
            break
        if option in valued and rest:
            rest.pop(0)
    return tuple(rest)
