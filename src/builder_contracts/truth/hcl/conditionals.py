"""Whether both results of a conditional can have one type, as OpenTofu demands before it evaluates anything.

Types are read off literals: what a name or a function stands for can be of any type, and agrees with everything.
Source: https://opentofu.org/docs/language/expressions/conditionals/#result-types; objects with different attributes become
maps, whose elements need one type (https://github.com/zclconf/go-cty/blob/v1.16.0/cty/convert/unify.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from tree_sitter import Node

ValueType: TypeAlias = "str | Mapping[str, ValueType] | list[ValueType] | None"
"""``primitive``; the attributes of an object; the elements of a tuple; None for any type."""
_PRIMITIVE = "primitive"


def agrees(conditional: Node) -> bool | None:
    """Whether the results of a conditional have one type; None if the literals do not show it."""
    parts = [child for child in conditional.named_children if child.type != "comment"]
    if len(parts) != 3:
        return None
    yes, no = _type(parts[1]), _type(parts[2])
    if not isinstance(yes, Mapping | list) or not isinstance(no, Mapping | list):
        return None
    return _unify([yes, no])


def _type(node: Node) -> ValueType:
    inner = [child for child in node.named_children if child.type != "comment"]
    if node.type == "expression":
        return _type(inner[0]) if len(inner) == 1 else None
    if node.type == "literal_value" and inner:
        return None if inner[0].type == "null_lit" else _PRIMITIVE
    if node.type == "collection_value" and inner:
        return _collection(inner[0])
    return None


def _collection(node: Node) -> ValueType:
    if node.type == "tuple":
        return [_type(child) for child in node.named_children if child.type == "expression"]
    attributes: dict[str, ValueType] = {}
    for element in node.named_children:
        if element.type == "object_elem" and element.named_child_count >= 2:
            key, value = element.named_children[0], element.named_children[-1]
            if b"(" in (key.text or b"") or b"${" in (key.text or b""):
                return None
            attributes[(key.text or b"").decode("utf-8", "replace").strip('"')] = _type(value)
    return attributes


def _unify(types: Sequence[ValueType]) -> bool:
    """Whether there is a type that all of these can be converted to."""
    objects = [entry for entry in types if isinstance(entry, Mapping)]
    tuples = [entry for entry in types if isinstance(entry, list)]
    if not types or None in types or len(types) not in (len(objects), len(tuples)):
        return None in types or not (objects or tuples)
    if objects and all(entry.keys() == objects[0].keys() for entry in objects):
        return all(_unify([entry[key] for entry in objects]) for key in objects[0])
    if tuples and len({len(entry) for entry in tuples}) == 1:
        return all(_unify(column) for column in zip(*tuples, strict=True))
    return _unify(
        [element for entry in objects for element in entry.values()]
        or [element for entry in tuples for element in entry]
    )
