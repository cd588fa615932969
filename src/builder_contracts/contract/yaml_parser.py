"""Parse YAML into nodes that keep their line, for contracts and for files of a checkout.

PyYAML's composer runs over libyaml's events, so positions, tags and duplicate keys survive and nothing is ever
constructed. The caller interprets the nodes: ``document`` strictly, ``truth.readers.yaml`` tolerantly.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.composer import Composer

STRING = "tag:yaml.org,2002:str"
PLAIN = ""
"""The tag of what has none: a scalar without quotes, a mapping, a sequence."""

# The core schema of YAML 1.2, which editors go by too: dates, clock times and yes/no/on/off are text.
# Source: section 10.3.2 of the YAML 1.2.2 specification. Infinity and NaN stay text: JSON has neither.
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


class NotYaml(Exception):
    """Text that is not YAML, or exceeds a limit: where, what is wrong, and what would be right."""

    def __init__(self, line: int, message: str, fix: str, column: int = 1) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.fix = fix


@dataclass(frozen=True)
class Limits:
    """Limits of a document: levels of nesting, and nodes in the text."""

    depth: int
    nodes: int


@dataclass(frozen=True)
class Alias:
    """A place that repeats the node ``target``, which is still incomplete if the alias is inside it."""

    name: str
    target: yaml.Node
    start_mark: Any


class _Composer(Composer, yaml.CSafeLoader):
    """PyYAML's composer with limits, without resolving tags, and with anchors that may be used again."""

    def __init__(self, text: str, limits: Limits) -> None:
        yaml.CSafeLoader.__init__(self, text)
        Composer.__init__(self)
        self.limits = limits
        self.depth = 0
        self.nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()
        self.nodes += 1
        if self.nodes > self.limits.nodes:
            message = f"document has more than {self.limits.nodes:,} nodes"
            raise _at(event.start_mark, message, "split it")
        if isinstance(event, yaml.AliasEvent):
            name, mark = str(event.anchor), event.start_mark
            self.get_event()
            if name not in self.anchors:
                raise undefined(name, mark)
            return Alias(name, self.anchors[name], mark)
        # YAML lets a later anchor take over a name; PyYAML's composer does not.
        self.anchors.pop(event.anchor, None)
        nested = not isinstance(event, yaml.ScalarEvent)
        if event.tag == "!":  # "this is text"; without meaning unless the node is a scalar
            event.tag = None if nested else STRING
        if nested and self.depth >= self.limits.depth:
            raise _at(event.start_mark, *_too_deep(self.limits))
        self.depth += nested
        node = super().compose_node(parent, index)
        self.depth -= nested
        return node

    def resolve(self, kind: Any, _: Any, implicit: Any) -> str:
        return STRING if kind is yaml.ScalarNode and not implicit[0] else PLAIN

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        pass

    def ascend_resolver(self) -> None:
        pass


def compose(text: str, limits: Limits) -> list[Any]:
    """The root node of every document in the text; an alias becomes an ``Alias``. Raises NotYaml."""
    try:
        composer = _Composer(text, limits)
        nodes: list[Any] = []
        while composer.check_node():
            nodes.append(composer.get_node())
        return nodes
    except yaml.MarkedYAMLError as error:
        raise _explained(error, text, limits) from None
    except yaml.reader.ReaderError as error:
        position = error.position if isinstance(error.position, int) else 0
        line = text.encode()[:position].count(b"\n") + 1
        code = ord(error.character) if isinstance(error.character, str) else error.character
        raise NotYaml(line, f"invalid YAML: control character U+{code:04X}", "remove it") from None
    except ValueError as error:  # half of a surrogate pair, which no encoding has
        raise NotYaml(1, f"invalid YAML: {error}", "save the file as UTF-8") from None


def plain(text: str) -> str | int | float | bool | None:
    """The value of a scalar without quotes."""
    if _NULL.fullmatch(text):
        return None
    if _BOOLEAN.fullmatch(text):
        return text.lower() == "true"
    try:
        if _INTEGER.fullmatch(text):
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
            # JSON knows one kind of number: 4.0 is 4.
            return int(number) if number.is_integer() else number
    except ValueError:  # more digits than Python converts
        pass
    return text


def undefined(name: str, mark: Any) -> NotYaml:
    """An alias of nothing, or of a node that contains it."""
    message = f"alias *{name} refers to an undefined or incomplete anchor"
    return _at(mark, message, "define the anchor before using it, and not inside itself")


def _at(mark: Any, message: str, fix: str) -> NotYaml:
    return NotYaml(mark.line + 1, message, fix, mark.column + 1)


def _too_deep(limits: Limits) -> tuple[str, str]:
    return f"nesting exceeds {limits.depth} levels", "flatten the document"


def _explained(error: yaml.MarkedYAMLError, text: str, limits: Limits) -> NotYaml:
    """The error of libyaml, with the construct that was open there, and the fix of the usual causes."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return NotYaml(
            1, f"invalid YAML: {error.problem or error.context}", "check the beginning of the file"
        )
    # libyaml 0.2.6 looks ahead as far as its own limit, before the first event.
    if error.problem == "exceeded maximum nesting depth":
        return _at(mark, *_too_deep(limits))
    message = f"invalid YAML: {error.problem or error.context}"
    if error.context_mark is not None and error.context_mark.line < mark.line:
        message += f", {error.context} starting at line {error.context_mark.line + 1}"
    # What YAML 1.2 calls a line break.
    lines = re.split(r"\r\n|\r|\n", text)
    rest = lines[mark.line][mark.column :] if mark.line < len(lines) else ""
    fix = "check indentation, brackets and quotes"
    if rest.startswith("\t"):
        fix = "indent with spaces, not tabs"
    elif rest[:1] in ("@", "`", "%"):
        fix = f"quote the value; an unquoted one cannot start with {rest[0]}"
    elif error.problem == "mapping values are not allowed in this context":
        fix = "quote the value if it contains ': ', or fix the indentation"
    return _at(mark, message, fix)
