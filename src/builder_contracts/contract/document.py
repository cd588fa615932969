"""Read a YAML file into plain data that keeps the file and line of every value.

The reader is strict: one document, no tags, no duplicate keys, and limits that neither nesting nor aliases can exceed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from builder_contracts.contract.files import decode, read_bytes
from builder_contracts.contract.yaml_parser import (
    PLAIN,
    STRING,
    Alias,
    Limits,
    NotYaml,
    compose,
    plain,
    undefined,
)
from builder_contracts.errors import InputError, Location, Problem

Pointer = tuple[str | int, ...]
"""The path of a value inside a document: ``("toolchain", "xz")``."""

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_WEIGHT = 100_000
"""Values of a document once its aliases are followed; each 100 characters of a text count as one more."""

# A mapping has a node for each key and each value: what exceeds this limit exceeds MAX_WEIGHT as well.
_LIMITS = Limits(MAX_DEPTH, 2 * MAX_WEIGHT)

# YAML 1.1, and so libyaml, counts these as ends of lines; YAML 1.2 and editors do not.
_FOREIGN_BREAK = re.compile("[\x85\u2028\u2029]")
# JSON writes what is beyond 16 bits as two escapes, of which YAML knows neither.
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


@dataclass(frozen=True)
class Document:
    """Plain data (dict, list, str, int, float, bool, None) and where each of its values stands.

    ``spellings`` holds the text of values that are not text, such as ``0755`` for the number 755.
    """

    data: Any
    positions: Mapping[Pointer, Location]
    spellings: Mapping[Pointer, str] = field(default_factory=dict)

    def source(self, pointer: Pointer) -> Location:
        """The position of a value, or of the nearest ancestor that has one."""
        while pointer not in self.positions:
            pointer = pointer[:-1]
        return self.positions[pointer]


@dataclass
class _Builder:
    """Nodes to plain data. ``anchored`` holds what an alias repeats, with its weight, by the node's identity."""

    file: str
    positions: dict[Pointer, Location] = field(default_factory=dict)
    spellings: dict[Pointer, str] = field(default_factory=dict)
    anchored: dict[int, tuple[Any, int]] = field(default_factory=dict)
    weight: int = 0

    def source(self, mark: Any) -> Location:
        return Location(self.file, mark.line + 1, mark.column + 1)

    def error(self, node: Any, message: str, fix: str) -> InputError:
        return InputError([Problem(self.source(node.start_mark), message, fix)])

    def weigh(self, weight: int, node: Any) -> None:
        self.weight += weight
        if self.weight > MAX_WEIGHT:
            message = f"document expands to more than {MAX_WEIGHT:,} values after resolving aliases"
            raise self.error(node, message, "split it, or use 'extends' instead of anchors")

    def build(self, node: Any, pointer: Pointer) -> Any:
        """The plain value of a node at that path."""
        self.positions.setdefault(pointer, self.source(node.start_mark))
        if isinstance(node, Alias):
            if id(node.target) not in self.anchored:
                raise undefined(node.name, node.start_mark)
            value, weight = self.anchored[id(node.target)]
            self.weigh(weight, node)
            return value
        self.reject_tag(node)
        before = self.weight
        self.weigh(1, node)
        if isinstance(node, yaml.MappingNode):
            value = self.mapping(node, pointer)
        elif isinstance(node, yaml.SequenceNode):
            value = [self.build(item, (*pointer, index)) for index, item in enumerate(node.value)]
        else:
            value = self.scalar(node, pointer)
        self.anchored[id(node)] = (value, self.weight - before)
        return value

    def mapping(self, node: yaml.MappingNode, pointer: Pointer) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, item in node.value:
            name = self.key(key)
            if name in mapping:
                first = self.positions[(*pointer, name)]
                message = f"duplicate key {_short(name)}, first defined at line {first.line}"
                raise self.error(key, message, "remove one of them; YAML parsers silently drop the first")
            # The line of the key is the line that a reader looks for.
            self.positions[(*pointer, name)] = self.source(key.start_mark)
            mapping[name] = self.build(item, (*pointer, name))
        return mapping

    def key(self, node: Any) -> str:
        if isinstance(node, Alias):
            raise self.error(node, "alias used as a key", "spell out the key")
        self.reject_tag(node)
        if not isinstance(node, yaml.ScalarNode):
            raise self.error(node, "key must be a plain string", "quote it, or remove the brackets")
        self.reject_nul(node)
        self.weigh(len(node.value) // 100, node)
        if node.value == "<<" and node.tag == PLAIN:
            message = "merge key << is not supported (not in YAML 1.2)"
            raise self.error(node, message, "use 'extends' to share common parts")
        self.anchored[id(node)] = (node.value, 1 + len(node.value) // 100)
        return str(node.value)

    def scalar(self, node: yaml.ScalarNode, pointer: Pointer) -> Any:
        self.reject_nul(node)
        self.weigh(len(node.value) // 100, node)
        value = plain(node.value) if node.tag == PLAIN else node.value
        if not isinstance(value, str):
            self.spellings[pointer] = node.value
        return value

    def reject_nul(self, node: yaml.ScalarNode) -> None:
        # No file name, argument or environment variable can hold it, so no promise can be kept.
        if "\0" in node.value:
            raise self.error(node, "value contains a NUL character", r"remove the \0 escape")

    def reject_tag(self, node: yaml.Node) -> None:
        if node.tag not in (PLAIN, STRING):
            written = node.tag.replace("tag:yaml.org,2002:", "!!")
            raise self.error(node, f"tag {_short(written)} is not allowed", "remove the tag")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


def parse(raw: bytes, file: str) -> Document:
    """Parse one YAML document, or a JSON one.

    ``file`` is the name that messages use. Raises InputError for text that is not UTF-8, does not
    parse, holds duplicate keys, tags, several documents, or exceeds the limits of this module.
    """
    if len(raw) > MAX_BYTES:
        fix = "remove unrelated content; a contract is a few kilobytes"
        raise InputError([Problem(Location(file), f"file exceeds {MAX_BYTES:,} bytes", fix)])
    text = decode(raw, file)
    if match := _FOREIGN_BREAK.search(text):
        source = Location(file, text.count("\n", 0, match.start()) + 1)
        message = f"contains line break U+{ord(match[0]):04X}, which editors do not display"
        raise InputError([Problem(source, message, "remove it, or escape it in double quotes")])
    if file.endswith(".json"):
        text = _SURROGATES.sub(_character, text)
    builder = _Builder(file)
    try:
        nodes = compose(text, _LIMITS)
        if not nodes:
            raise InputError([Problem(Location(file), "file is empty", "fill it, or remove it")])
        if len(nodes) > 1:
            raise builder.error(nodes[1], "second YAML document in the file", "keep one document per file")
        data = builder.build(nodes[0], ())
    except NotYaml as error:
        source = Location(file, error.line, error.column)
        raise InputError([Problem(source, str(error), error.fix)]) from None
    return Document(data, builder.positions, builder.spellings)


def _character(match: re.Match[str]) -> str:
    return match[1] + bytes.fromhex(match[2] + match[3]).decode("utf-16-be")


def read(path: Path, file: str | None = None) -> Document:
    """Parse the file at ``path``; ``file`` overrides the name in messages. Raises InputError."""
    name = file or str(path)
    return parse(read_bytes(path, MAX_BYTES, name), name)
