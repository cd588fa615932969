"""YAML text to plain data in which every value knows its file and line.

The parser is built on libyaml's event stream instead of PyYAML's loaders, for three reasons: positions
survive, duplicate keys are errors, and neither tags nor nesting nor aliases can run code or eat memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from builder_contracts.errors import InputError, Problem, Source

Pointer = tuple[str | int, ...]
"""The path of a value inside a document: ``("toolchain", "xz")``."""

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 100_000

_EVENTS = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Any = yaml.resolver.Resolver()
_CONSTRUCTOR = yaml.constructor.SafeConstructor()
_STRING = "tag:yaml.org,2002:str"
# Timestamps, merge keys and YAML 1.1's yes/no/on/off stay strings: a contract has no use for the
# surprises, and the schema then says which field wants a boolean.
_SCALARS = {
    "tag:yaml.org,2002:null": _CONSTRUCTOR.construct_yaml_null,
    "tag:yaml.org,2002:int": _CONSTRUCTOR.construct_yaml_int,
    "tag:yaml.org,2002:float": _CONSTRUCTOR.construct_yaml_float,
}


@dataclass(frozen=True)
class Document:
    """Plain data (dict, list, str, int, float, bool, None) and where each of its values stands."""

    data: Any
    positions: Mapping[Pointer, Source]

    def source(self, pointer: Pointer) -> Source:
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
    nodes_before: int
    key: str | None = None


@dataclass
class _Builder:
    file: str
    positions: dict[Pointer, Source] = field(default_factory=dict)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    stack: list[_Open] = field(default_factory=list)
    nodes: int = 0
    root: Any = None

    def fail(self, mark: Any, what: str, mend: str) -> InputError:
        return InputError([Problem(self.at(mark), what, mend)])

    def at(self, mark: Any) -> Source:
        return Source(self.file, mark.line + 1, mark.column + 1)

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

    def count(self, nodes: int, mark: Any) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise self.fail(
                mark,
                f"the document has more than {MAX_NODES:,} values once its aliases are followed",
                "split it, or share what repeats with 'extends' instead of anchors",
            )

    def refuse_tag(self, tag: str | None, mark: Any) -> None:
        if tag is not None and tag not in ("!", _STRING):
            raise self.fail(mark, f"the tag {tag!r} is not allowed", "write plain YAML without tags")

    def open(self, event: Any) -> None:
        self.refuse_tag(event.tag, event.start_mark)
        if len(self.stack) >= MAX_DEPTH:
            raise self.fail(
                event.start_mark, f"nested deeper than {MAX_DEPTH} levels", "contracts are a few levels deep"
            )
        if self.stack and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None:
            raise self.fail(event.start_mark, "a key must be a plain string", "quote it, or drop the brackets")
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        nodes = self.nodes
        pointer = self.add(value, event.start_mark)
        self.stack.append(_Open(value, pointer, event.anchor, nodes))

    def close(self) -> None:
        done = self.stack.pop()
        if done.anchor is not None:
            self.anchors[done.anchor] = (done.value, self.nodes - done.nodes_before)

    def scalar(self, event: yaml.ScalarEvent) -> None:
        self.refuse_tag(event.tag, event.start_mark)
        if "\0" in event.value:
            # No file name, argument or environment variable can hold it, so no promise can be kept.
            raise self.fail(event.start_mark, "the value holds a NUL character", "remove the escape \\0")
        parent = self.stack[-1] if self.stack else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is None:
            self.key(parent, event)
            return
        value: Any = event.value
        if event.implicit[0]:
            tag = _RESOLVER.resolve(yaml.ScalarNode, event.value, event.implicit)
            if event.value.lower() in ("true", "false"):
                value = event.value.lower() == "true"
            elif tag in _SCALARS:
                try:
                    value = _SCALARS[tag](yaml.ScalarNode(tag, event.value))
                except ValueError:  # what looks like a number and is none, such as 0x_ or a huge integer
                    value = event.value
        self.add(value, event.start_mark)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, 1)

    def key(self, parent: _Open, event: yaml.ScalarEvent) -> None:
        assert isinstance(parent.value, dict)
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
                f"the alias *{_short(str(event.anchor))} names an anchor that is not complete or does not exist",
                "define the anchor first, and never inside itself",
            )
        value, nodes = self.anchors[event.anchor]
        if self.stack and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None:
            raise self.fail(event.start_mark, "an alias cannot be a key", "write the key out")
        self.count(nodes - 1, event.start_mark)
        self.add(value, event.start_mark)

    def add(self, value: Any, mark: Any) -> Pointer:
        self.count(1, mark)
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
                    Source(file, 1),
                    f"the file has {len(raw):,} bytes, more than the {MAX_BYTES:,} that are read",
                    "a contract is a few kilobytes; remove what does not belong to it",
                )
            ]
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError([Problem(Source(file, line), "not UTF-8 text", "save the file as UTF-8")]) from None
    builder = _Builder(file)
    try:
        builder.read(yaml.parse(text, Loader=_EVENTS))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = builder.at(mark) if mark is not None else Source(file, 1)
        what = f"not YAML: {error.problem or error.context}"
        raise InputError(
            [Problem(place, what, "check indentation, brackets and quotes at this line")]
        ) from None
    except yaml.reader.ReaderError as error:
        position = error.position if isinstance(error.position, int) else 0
        line = raw.count(b"\n", 0, position) + 1
        raise InputError(
            [
                Problem(
                    Source(file, line),
                    f"not YAML: control character {error.character!r}",
                    "remove it: contracts are printable text",
                )
            ]
        ) from None
    if () not in builder.positions:
        raise InputError([Problem(Source(file, 1), "the file is empty", "see docs/tutorial.md for a contract")])
    return Document(builder.root, builder.positions)


def read(path: Path, file: str | None = None) -> Document:
    """Parse the file at ``path``; ``file`` overrides the name in messages. Raises InputError."""
    name = file or str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            [Problem(Source(name, 1), f"cannot be read: {error.strerror}", "check the path and its permissions")]
        ) from None
    return parse(raw, name)
