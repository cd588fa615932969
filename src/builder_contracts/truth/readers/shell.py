"""Read the commands that a step's shell script calls."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

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
# What runs if the condition before does not hold.
_OTHER_ARMS = frozenset({"elif_clause", "else_clause"})
# What follows a command whose failure does not count: `|| true`.
_TOLERANT = re.compile(r"(?:true|:|echo|printf)(?=[\s;]|$)")
# A branch that runs only after another command has failed.
_COMPARES = re.compile(r"\bif\b[^;]*(?:==?|!=)\s*[\"']?\w")
# What an ``if`` asks, where that is a command and no comparison.
_ASKS = re.compile(r"(?:el)?if\s++(?P<not>!\s*+)?+(?!\[|\(|test\s|EXPRESSION)")


@dataclass(frozen=True)
class Command:
    """A command with its words, and the line of the script from 0 that it begins at.

    ``through`` are the commands that start it (``sudo``, ``timeout``). ``environment`` is the command that brings its
    tools, such as ``nix develop``; empty if they are the runner's. ``path`` is the command as it is written,
    ``conditions`` what the script asks before it. ``function`` is the one whose body it stands in, ``arms`` are the
    patterns of ``case`` that it stands below. ``tolerated``: the script goes on if it fails; ``asked``: it is itself
    what an ``if`` asks; ``after_failure``: it runs only after another command has failed.
    """

    words: tuple[str, ...]
    line: int
    through: tuple[str, ...] = ()
    environment: str = ""
    path: str = ""
    conditions: str = ""
    function: str = ""
    arms: tuple[str, ...] = ()
    tolerated: bool = False
    asked: bool = False
    after_failure: bool = False

    @property
    def depends_on_a_value(self) -> bool:
        """Whether it runs only if something has a value that the script names."""
        return _COMPARES.search(self.conditions) is not None

    def is_chosen_by(self, arguments: Collection[str]) -> bool:
        """Whether every ``case`` above it takes the arm of one of these arguments."""
        return all(
            any(word in arguments for word in re.split(r"[|\s\"']+", arm) if word) for arm in self.arms
        )


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
    pending = [(_parser().parse(raw).root_node, Command((), 0))]
    while pending:
        node, within = pending.pop()
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
                yield from started(replace(within, words=words, line=node.start_point.row), depth)
        pending.extend(
            reversed([(child, _within(node, child, within, raw)) for child in node.named_children])
        )


def _within(node: Node, child: Node, within: Command, raw: bytes) -> Command:
    """What a node says of the commands in one of its children, added to what those above say."""

    def written(start: int, end: int) -> str:
        return raw[start:end].decode("utf-8", "replace")

    match node.type:
        case "if_statement" | "elif_clause" | "while_statement" | "for_statement" | "case_statement":
            arms = next((part.start_byte for part in node.children if part.type in _ARMS), node.end_byte)
            if child.start_byte > arms:
                conditions = f"{written(node.start_byte, arms)} {within.conditions}"
                asks = _ASKS.match(conditions)
                failed = asks is not None and bool(asks["not"]) is (child.type not in _OTHER_ARMS)
                return replace(
                    within,
                    conditions=conditions[:_MAX_CONDITIONS],
                    after_failure=within.after_failure or failed,
                )
            return replace(within, asked=within.asked or arms < node.end_byte)
        case "case_item":
            values = node.children_by_field_name("value")
            if child not in values:
                return replace(
                    within,
                    arms=(
                        *within.arms,
                        "|".join(written(value.start_byte, value.end_byte) for value in values),
                    ),
                )
        case "function_definition" if (name := node.child_by_field_name("name")) is not None:
            return replace(within, function=written(name.start_byte, name.end_byte))
        case "list" if child == node.children[0] and node.children[1].type == "||":
            rest = node.children[-1]
            tolerated = _TOLERANT.match(written(rest.start_byte, min(rest.end_byte, rest.start_byte + 20)))
            return replace(within, tolerated=within.tolerated or tolerated is not None)
        case _:
            pass
    return within


def called(script_commands: Sequence[Command], arguments: Collection[str]) -> frozenset[str]:
    """The functions of a script that run when it gets these arguments, and the empty name for what is in none."""
    reached = {""}
    while (
        more := {
            command.words[0]
            for command in script_commands
            if command.function in reached and command.is_chosen_by(arguments)
        }
        & {command.function for command in script_commands} - reached
    ):
        reached |= more
    return frozenset(reached)


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
            through = (*command.through, *inner.through)
            yield _nested(command, inner, through, inner.environment or command.environment)
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
        yield _nested(command, inner, inner.through, inner.environment or name)


def _nested(command: Command, inner: Command, through: tuple[str, ...], environment: str) -> Command:
    """A command that another starts, in the place of that one."""
    return replace(
        inner,
        line=command.line + inner.line,
        through=through,
        environment=environment,
        conditions=f"{command.conditions} {inner.conditions}",
        function=inner.function or command.function,
        arms=(*command.arms, *inner.arms),
        tolerated=command.tolerated or inner.tolerated,
        asked=command.asked or inner.asked,
        after_failure=command.after_failure or inner.after_failure,
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
