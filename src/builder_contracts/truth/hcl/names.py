"""The names that a module of OpenTofu declares and refers to: variables, locals, and calls of other modules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from tree_sitter import Node

from builder_contracts.errors import Location
from builder_contracts.truth.hcl.conditionals import agrees
from builder_contracts.truth.hcl.stacks import Folder
from builder_contracts.truth.hcl.syntax import Block, Expression
from builder_contracts.truth.model import TofuCall, TofuModule, TofuReference, TofuVariable

_KINDS = ("var", "local", "module")
_REFERENCE = re.compile(rb"\b(?:var|local|module)\b")
# Blocks that name what is elsewhere or was once, and arguments of a call that are not variables of the module.
_NAMES_OTHERS = frozenset({"moved", "removed", "import", "mock_provider", "override_module"})
_OF_THE_CALL = frozenset({"source", "version", "count", "for_each", "depends_on", "providers"})


def names_of(folder: Folder) -> TofuModule:
    """The names of a module, whatever values its callers pass."""
    variables = {
        name: TofuVariable(block.at, "default" not in block.attributes)
        for name, block in folder.variables.items()
    }
    calls = tuple(
        TofuCall(
            name,
            folder.called_folder(block) or "",
            {key: value.at for key, value in block.attributes.items() if key not in _OF_THE_CALL},
            frozenset(reference.name for reference in _in_block(block) if reference.kind == "var"),
            block.at,
        )
        for name, block in folder.calls.items()
    )
    references = tuple(chain.from_iterable(_in_block(root) for root in folder.roots))
    local_places = {name: expression.at for name, expression in folder.locals.items()}
    conditionals = tuple(chain.from_iterable(_conditionals(root) for root in folder.roots))
    return TofuModule(folder.path, variables, local_places, calls, references, conditionals)


def _conditionals(block: Block) -> Iterator[tuple[Location, bool]]:
    """The conditionals whose literals show whether their results have one type."""
    for expression in block.attributes.values():
        pending = [expression.node] if b"?" in (expression.node.text or b"") else []
        while pending:
            node = pending.pop()
            if node.type == "conditional" and (verdict := agrees(node)) is not None:
                yield _place(node, expression.file), verdict
            pending.extend(reversed(node.named_children))
    for inner in block.blocks:
        yield from _conditionals(inner)


def _in_block(block: Block) -> Iterator[TofuReference]:
    for expression in block.attributes.values():
        yield from _in_expression(expression)
    for inner in block.blocks:
        if inner.kind not in _NAMES_OTHERS:
            yield from _in_block(inner)


def _in_expression(expression: Expression) -> Iterator[TofuReference]:
    if not _REFERENCE.search(expression.node.text or b""):
        return
    pending = [expression.node]
    while pending:
        node = pending.pop()
        following = node.next_named_sibling
        if node.type == "variable_expr" and following is not None and following.type == "get_attr":
            kind, name = _text(node), _text(following.named_children[0])
            if kind in _KINDS:
                yield TofuReference(kind, name, _place(node, expression.file))
        pending.extend(reversed(node.named_children))


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _place(node: Node, file: str) -> Location:
    return Location(file, node.start_point.row + 1, node.start_point.column + 1)
