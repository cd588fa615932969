"""Read the commands that a step's shell script calls."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Parser

_EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)
# Words before a command that start it.
_STARTERS = frozenset({"sudo", "exec", "time", "env", "nice", "command", "timeout", "xargs", "nohup"})

_WORDS = frozenset({"command_name", "word", "string", "raw_string", "ansi_c_string", "concatenation", "number",
                    "simple_expansion", "expansion", "command_substitution"})  # fmt: skip


_MAX_WORD = 20_000


@dataclass(frozen=True)
class Command:
    """A command with its words, and the line of the script from 0 that it begins at."""

    words: tuple[str, ...]
    line: int


@cache
def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


def commands(script: str) -> Iterator[Command]:
    """Every command in the order of the script; expressions of a CI system are replaced by one word."""
    raw = _EXPRESSION.sub(lambda expression: "EXPRESSION" + "\n" * expression[0].count("\n"), script).encode()
    pending = [_parser().parse(raw).root_node]
    while pending:
        node = pending.pop()
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
                yield Command(_started(words), node.start_point.row)
        pending.extend(reversed(node.named_children))


def _started(words: tuple[str, ...]) -> tuple[str, ...]:
    """The command that sudo and its kind start; ``command -v`` only asks."""
    while len(words) > 1 and words[0].rpartition("/")[2] in _STARTERS:
        if words[0] == "command" and words[1].startswith("-"):
            break
        rest = list(words[1:])
        while len(rest) > 1 and (rest[0].startswith("-") or "=" in rest[0] or rest[0].isdecimal()):
            rest.pop(0)
        words = tuple(rest)
    return (words[0].rpartition("/")[2], *words[1:])
