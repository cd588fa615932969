"""Read YAML of any origin into values with positions.

Unlike the contract language, this reader accepts YAML in common use: several documents, tags, duplicate keys (the last
wins), and the extensions of Helm and CI systems.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import yaml

from builder_contracts.contract.yaml_parser import PLAIN, Alias, Limits, NotYaml, compose, plain
from builder_contracts.errors import Location
from builder_contracts.truth.value import Known, Value

__all__ = ["NotYaml", "Repeated", "read"]

Repeated: TypeAlias = tuple[str, Location, Location]
"""A key that one mapping has twice: its name, where the value that is lost stands, and where the next one does."""

_LIMITS = Limits(depth=64, nodes=400_000)
_MAX_VALUES = 200_000


def read(text: str, file: str, first_line: int = 1, repeated: list[Repeated] | None = None) -> list[Value]:
    """The documents in the text; ``first_line`` is the line at which the text begins in its file. Raises NotYaml.

    Keys that a mapping has twice are added to ``repeated``.
    """
    budget = [_MAX_VALUES]
    try:
        return [_value(node, file, first_line, 0, budget, repeated) for node in compose(text, _LIMITS)]
    except NotYaml as error:
        error.line += first_line - 1
        raise


def _value(
    node: Any,
    file: str,
    first_line: int,
    depth: int,
    budget: list[int],
    repeated: list[Repeated] | None,
) -> Value:
    while isinstance(node, Alias):
        node = node.target
    source = Location(file, node.start_mark.line + first_line, node.start_mark.column + 1)
    budget[0] -= 1
    if depth > _LIMITS.depth or budget[0] < 0:
        message = "nested too deeply, or too many values after resolving aliases"
        raise NotYaml(node.start_mark.line + 1, message, "split the document")
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Value] = {}
        places: dict[str, Location] = {}
        for key, item in node.value:
            name = key.target if isinstance(key, Alias) else key
            if isinstance(name, yaml.ScalarNode):
                value = _value(item, file, first_line, depth + 1, budget, repeated)
                if name.value == "<<" and isinstance(value, Known) and isinstance(value.data, dict):
                    mapping = {**value.data, **mapping}
                else:
                    mapping[name.value] = value
                    if repeated is not None:
                        mark = name.start_mark
                        place = Location(file, mark.line + first_line, mark.column + 1)
                        if name.value in places:
                            repeated.append((name.value, places[name.value], place))
                        places[name.value] = place
        return Known(mapping, source)
    if isinstance(node, yaml.SequenceNode):
        return Known(
            [_value(item, file, first_line, depth + 1, budget, repeated) for item in node.value], source
        )
    return Known(_scalar(node), source)


def _scalar(node: yaml.ScalarNode) -> Any:
    """The value as a person reads it: 3 is a number, but 1.20 is a version and 0x1f a text."""
    value = plain(node.value) if node.tag == PLAIN else node.value
    if value is None or isinstance(value, bool):
        return value
    return value if isinstance(value, int) and node.value.lstrip("+-").isdigit() else node.value
