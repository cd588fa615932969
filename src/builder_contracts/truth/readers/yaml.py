"""YAML of any origin to positioned values.

Unlike the contract language's own parser this one takes what the world writes: several documents, tags,
duplicate keys (the last wins, as everywhere), Helm's and CI's extensions.
"""

from __future__ import annotations

from typing import Any

import yaml

from builder_contracts.errors import Source
from builder_contracts.truth.value import Known, Value

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_DEPTH = 64
_MAX_VALUES = 200_000


class _RepeatedAnchors(yaml.SafeLoader):
    """YAML allows an anchor twice, and the later one counts from its place on; PyYAML rejects it."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        parser: Any = self  # its stubs have no types
        event = parser.peek_event()
        if not isinstance(event, yaml.AliasEvent) and event.anchor is not None:
            parser.anchors.pop(event.anchor, None)
        return super().compose_node(parent, index)


class NotYaml(Exception):
    """Text that does not parse; carries the line and what the parser said."""

    def __init__(self, line: int, said: str) -> None:
        super().__init__(said)
        self.line = line


def read(text: str, file: str, first_line: int = 1) -> list[Value]:
    """The documents in the text; ``first_line`` is where the text begins in its file. Raises NotYaml."""
    try:
        try:
            nodes = list(yaml.compose_all(text, Loader=_LOADER))
        except yaml.composer.ComposerError as error:
            if "duplicate anchor" not in str(error):
                raise
            nodes = list(yaml.compose_all(text, Loader=_RepeatedAnchors))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml((mark.line if mark else 0) + first_line, str(error.problem or error.context)) from None
    except RecursionError:
        raise NotYaml(first_line, "nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise NotYaml(first_line, str(error).splitlines()[0]) from None
    budget = [_MAX_VALUES]
    return [_value(node, file, first_line, 0, budget) for node in nodes]


def _value(node: Any, file: str, first_line: int, depth: int, budget: list[int]) -> Value:
    at = Source(file, node.start_mark.line + first_line, node.start_mark.column + 1)
    budget[0] -= 1
    if depth > _MAX_DEPTH or budget[0] < 0:
        raise NotYaml(at.line, "nested too deeply, or too many values once aliases are followed")
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Value] = {}
        for key, inner in node.value:
            if isinstance(key, yaml.ScalarNode):
                value = _value(inner, file, first_line, depth + 1, budget)
                if key.value == "<<" and isinstance(value, Known) and isinstance(value.data, dict):
                    mapping = {**value.data, **mapping}
                else:
                    mapping[key.value] = value
        return Known(mapping, at)
    if isinstance(node, yaml.SequenceNode):
        return Known([_value(inner, file, first_line, depth + 1, budget) for inner in node.value], at)
    return Known(_scalar(node), at)


def _scalar(node: Any) -> Any:
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool" if node.value.lower() in ("true", "false"):
            return node.value.lower() == "true"
        case "int":
            try:
                return int(node.value, 10)
            except ValueError:
                return node.value
        case _:
            return node.value
