"""Parse HCL files into blocks and attributes; expressions stay syntax nodes until they are evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import tree_sitter
import tree_sitter_hcl
from tree_sitter import Node

from builder_contracts.errors import Location


@dataclass(frozen=True, slots=True)
class Expression:
    """A syntax node and its file."""

    node: Node
    file: str

    @property
    def at(self) -> Location:
        return Location(self.file, self.node.start_point.row + 1, self.node.start_point.column + 1)

    def on(self, node: Node) -> Expression:
        """Another node of the same file."""
        return Expression(node, self.file)

    @property
    def text(self) -> str:
        return (self.node.text or b"").decode("utf-8", "replace")


@dataclass(frozen=True)
class Block:
    """``kind "label" … { attributes, blocks }``; the root of a file is a block without a kind."""

    kind: str
    labels: tuple[str, ...]
    attributes: dict[str, Expression]
    blocks: tuple[Block, ...]
    at: Location

    def all(self, kind: str, *labels: str) -> Iterator[Block]:
        """The blocks of a kind whose labels begin as named."""
        for block in self.blocks:
            if block.kind == kind and block.labels[: len(labels)] == labels:
                yield block


@dataclass(frozen=True)
class Parsed:
    """A file: its blocks, and the lines that the parser could not make sense of."""

    root: Block
    broken: tuple[int, ...]


@cache
def _parser() -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_hcl.language()))


def parse(raw: bytes, file: str) -> Parsed:
    """Parse a file of HCL: what is broken is left out and its lines are named.

    Raises RecursionError for blocks that are nested too deeply.
    """
    root = _parser().parse(raw).root_node
    broken = tuple(sorted({node.start_point.row + 1 for node in _errors(root)})) if root.has_error else ()
    body = next((child for child in root.children if child.type == "body"), None)
    attributes, blocks = _body(body, file) if body else ({}, ())
    return Parsed(Block("", (), attributes, blocks, Location(file, 1)), broken)


def parse_template(content: str, file: str) -> Expression | None:
    """The text of a template's file as an expression; None if it is none."""
    end = "TEMPLATE"
    while end in content:
        end += "_"
    parsed = parse(f"text = <<{end}\n{content.removesuffix(chr(10))}\n{end}\n".encode(), file)
    return None if parsed.broken else parsed.root.attributes.get("text")


def _errors(node: Node) -> Iterator[Node]:
    pending = [node]
    while pending:
        current = pending.pop()
        if current.is_error or current.is_missing:
            yield current
        elif current.has_error:
            pending.extend(current.children)


def _body(body: Node, file: str) -> tuple[dict[str, Expression], tuple[Block, ...]]:
    attributes: dict[str, Expression] = {}
    blocks: list[Block] = []
    for child in body.named_children:
        if child.type == "attribute" and child.named_child_count >= 2:
            name, value = child.named_children[0], child.named_children[-1]
            attributes[(name.text or b"").decode("utf-8", "replace")] = Expression(value, file)
        elif child.type == "block":
            blocks.append(_block(child, file))
    return attributes, tuple(blocks)


def _block(node: Node, file: str) -> Block:
    words: list[str] = []
    inner: tuple[dict[str, Expression], tuple[Block, ...]] = ({}, ())
    for child in node.named_children:
        if child.type == "identifier":
            words.append((child.text or b"").decode("utf-8", "replace"))
        elif child.type == "string_lit":
            words.append((child.text or b"").decode("utf-8", "replace").strip('"'))
        elif child.type == "body":
            inner = _body(child, file)
    at = Location(file, node.start_point.row + 1, node.start_point.column + 1)
    return Block(words[0] if words else "", tuple(words[1:]), *inner, at)
