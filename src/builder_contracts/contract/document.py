"""YAML text to plain data in which every value knows its file and line.

The parser is built on libyaml's event stream instead of PyYAML's loaders, for three reasons: positions
survive, duplicate keys are errors, and neither tags nor nesting nor aliases can run code or eat memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from builder_contracts.errors import InputError, Location, Problem

Pointer = tuple[str | int, ...]
"""The path of a value inside a document: ``("toolchain", "xz")``."""

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_WEIGHT = 100_000
"""Values of a document once its aliases are followed; each 100 characters of a text count as one more."""

_TOO_DEEP = (f"nested deeper than {MAX_DEPTH} levels", "contracts are a few levels deep")
_EVENTS = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STRING = "tag:yaml.org,2002:str"
# The core schema of YAML 1.2, which editors go by too: dates, clock times and yes/no/on/off are text.
# Source: section 10.3.2 of the YAML 1.2.2 specification. Infinity and NaN stay text: JSON has neither.
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")

# YAML 1.1, and so libyaml, counts these as ends of lines; YAML 1.2 and editors do not.
_FOREIGN_BREAK = re.compile("[\x85\u2028\u2029]")


def _plain(text: str) -> str | int | float | bool | None:
    """The value of a scalar that stands without quotes."""
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


@dataclass(frozen=True)
class Document:
    """Plain data (dict, list, str, int, float, bool, None) and where each of its values stands.

    ``spellings`` holds what the file says where that is no text, such as ``0755`` for the number 755.
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
class _Open:
    """A mapping or sequence whose end has not been read yet."""

    value: dict[str, Any] | list[Any]
    pointer: Pointer
    anchor: str | None
    weight_before: int
    key: str | None = None


@dataclass
class _Builder:
    file: str
    positions: dict[Pointer, Location] = field(default_factory=dict)
    spellings: dict[Pointer, str] = field(default_factory=dict)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    stack: list[_Open] = field(default_factory=list)
    weight: int = 0
    root: Any = None

    def fail(self, mark: Any, what: str, mend: str) -> InputError:
        return InputError([Problem(self.at(mark), what, mend)])

    def at(self, mark: Any) -> Location:
        return Location(self.file, mark.line + 1, mark.column + 1)

    def read(self, events: Iterator[yaml.Event]) -> None:
        documents = 0
        for event in events:
            match event:
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        raise self.fail(
                            event.start_mark, "a second YAML document begins here", "one file, one document"
                        )
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self.open(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self.close()
                case yaml.ScalarEvent():
                    self.scalar(event)
                case yaml.AliasEvent():
                    self.alias(event)
                case _:
                    pass

    def weigh(self, weight: int, mark: Any) -> None:
        self.weight += weight
        if self.weight > MAX_WEIGHT:
            raise self.fail(
                mark,
                f"the document has more than {MAX_WEIGHT:,} values once its aliases are followed",
                "split it, or share what repeats with 'extends' instead of anchors",
            )

    def refuse_tag(self, tag: str | None, mark: Any) -> None:
        if tag is not None and tag not in ("!", _STRING):
            written = tag.replace("tag:yaml.org,2002:", "!!")
            raise self.fail(
                mark, f"the tag {_short(written)} is not allowed", "write plain YAML without tags"
            )

    def open(self, event: Any) -> None:
        self.refuse_tag(event.tag, event.start_mark)
        if len(self.stack) >= MAX_DEPTH:
            raise self.fail(event.start_mark, *_TOO_DEEP)
        if self.stack and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None:
            raise self.fail(
                event.start_mark, "a key must be a plain string", "quote it, or drop the brackets"
            )
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        before = self.weight
        pointer = self.add(value, event.start_mark)
        self.stack.append(_Open(value, pointer, event.anchor, before))

    def close(self) -> None:
        done = self.stack.pop()
        if done.anchor is not None:
            self.anchors[done.anchor] = (done.value, self.weight - done.weight_before)

    def scalar(self, event: yaml.ScalarEvent) -> None:
        self.refuse_tag(event.tag, event.start_mark)
        if "\0" in event.value:
            # No file name, argument or environment variable can hold it, so no promise can be kept.
            raise self.fail(event.start_mark, "the value holds a NUL character", "remove the escape \\0")
        parent = self.stack[-1] if self.stack else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is None:
            self.key(parent, event)
            return
        plain = event.implicit[0] and event.tag is None
        value = _plain(event.value) if plain else event.value
        weight = 1 + len(event.value) // 100
        pointer = self.add(value, event.start_mark, weight)
        if not isinstance(value, str):
            self.spellings[pointer] = event.value
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, weight)

    def key(self, parent: _Open, event: yaml.ScalarEvent) -> None:
        assert isinstance(parent.value, dict)
        self.weigh(len(event.value) // 100, event.start_mark)
        if event.value == "<<" and event.implicit[0]:
            raise self.fail(
                event.start_mark,
                "the merge key << is not part of YAML 1.2",
                "share what repeats with 'extends'",
            )
        if event.value in parent.value:
            first = self.positions[(*parent.pointer, event.value)]
            raise self.fail(
                event.start_mark,
                f"the key {_short(event.value)} stands twice in this mapping, first at line {first.line}",
                "keep one of the two: YAML would silently drop the first",
            )
        parent.key = event.value
        # The line of the key is the line that a reader looks for.
        self.positions[(*parent.pointer, event.value)] = self.at(event.start_mark)

    def alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor is None or event.anchor not in self.anchors:
            raise self.fail(
                event.start_mark,
                f"the alias *{event.anchor} names an anchor that is not complete or does not exist",
                "define the anchor first, and never inside itself",
            )
        value, weight = self.anchors[event.anchor]
        if self.stack and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None:
            raise self.fail(event.start_mark, "an alias cannot be a key", "write the key out")
        self.add(value, event.start_mark, weight)

    def add(self, value: Any, mark: Any, weight: int = 1) -> Pointer:
        self.weigh(weight, mark)
        if not self.stack:
            self.root = value
            self.positions[()] = self.at(mark)
            return ()
        parent = self.stack[-1]
        if isinstance(parent.value, dict):
            assert parent.key is not None
            pointer = (*parent.pointer, parent.key)
            parent.value[parent.key] = value
            parent.key = None
        else:
            pointer = (*parent.pointer, len(parent.value))
            parent.value.append(value)
            self.positions[pointer] = self.at(mark)
        return pointer


def _not_yaml(error: yaml.MarkedYAMLError, text: str, builder: _Builder) -> Problem:
    """What libyaml found, with what was open when it did, and what mends the usual causes."""
    mark = error.problem_mark or error.context_mark
    place = builder.at(mark) if mark is not None else Location(builder.file, 1)
    # libyaml 0.2.6 looks ahead as far as its own limit, before the first event.
    if error.problem == "exceeded maximum nesting depth":
        return Problem(place, *_TOO_DEEP)
    what = f"not YAML: {error.problem or error.context}"
    if error.context_mark is not None and error.context_mark.line + 1 < place.line:
        what += f", {error.context} that begins at line {error.context_mark.line + 1}"
    # What YAML 1.2 calls a line break; others were refused.
    lines = re.split(r"\r\n|\r|\n", text)
    here = lines[place.line - 1][place.column - 1 :] if place.line <= len(lines) else ""
    mend = "check indentation, brackets and quotes here"
    if here.startswith("\t"):
        mend = "indent with spaces: YAML does not take tabs"
    elif here[:1] in ("@", "`", "%"):
        mend = f"put the value in quotes: a plain one cannot begin with {here[0]}"
    elif error.problem == "mapping values are not allowed in this context":
        mend = "put the value in quotes if it holds ': ', or correct the indentation"
    return Problem(place, what, mend)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


def parse(raw: bytes, file: str) -> Document:
    """Parse one YAML document.

    ``file`` is the name that messages use. Raises InputError for text that is not UTF-8, does not
    parse, holds duplicate keys, tags, several documents, or exceeds the limits of this module.
    """
    if len(raw) > MAX_BYTES:
        raise InputError(
            [
                Problem(
                    Location(file, 1),
                    f"the file has more than {MAX_BYTES:,} bytes",
                    "a contract is a few kilobytes; remove what does not belong to it",
                )
            ]
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            [Problem(Location(file, line), "not UTF-8 text", "save the file as UTF-8")]
        ) from None
    if found := _FOREIGN_BREAK.search(text):
        place = Location(file, text.count("\n", 0, found.start()) + 1)
        what = f"the line break U+{ord(found[0]):04X}, which editors do not show as one"
        raise InputError([Problem(place, what, "remove it, or write it as an escape in double quotes")])
    builder = _Builder(file)
    try:
        builder.read(yaml.parse(text, Loader=_EVENTS))
    except yaml.MarkedYAMLError as error:
        raise InputError([_not_yaml(error, text, builder)]) from None
    except yaml.reader.ReaderError as error:
        position = error.position if isinstance(error.position, int) else 0
        code = ord(error.character) if isinstance(error.character, str) else error.character
        raise InputError(
            [
                Problem(
                    Location(file, raw.count(b"\n", 0, position) + 1),
                    f"not YAML: the control character U+{code:04X}",
                    "remove it: contracts are printable text",
                )
            ]
        ) from None
    if () not in builder.positions:
        raise InputError(
            [Problem(Location(file, 1), "the file is empty", "see docs/tutorial.md for a contract")]
        )
    return Document(builder.root, builder.positions, builder.spellings)


def read(path: Path, file: str | None = None) -> Document:
    """Parse the file at ``path``; ``file`` overrides the name in messages. Raises InputError."""
    name = file or str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            [
                Problem(
                    Location(name, 1),
                    f"cannot be read: {error.strerror}",
                    "check the path and its permissions",
                )
            ]
        ) from None
    return parse(raw, name)
