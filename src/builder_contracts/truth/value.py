"""Values with their locations, and unknown values with their reasons.

Every reader returns such values, so a rule that compares two of them can name both lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from builder_contracts.errors import Location


@dataclass(frozen=True, slots=True)
class Known:
    """A value and its place. ``data`` is a scalar, a list of values, or a mapping from text to values."""

    data: Any
    at: Location


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that a checkout does not show, and why."""

    reason: str
    at: Location


Value: TypeAlias = Known | Unknown


def get(value: Value | None, *path: str | int) -> Value | None:
    """The value at a path of keys and indices; None if there is nothing, Unknown if it is not decidable."""
    for step in path:
        if value is None or isinstance(value, Unknown):
            return value
        data = value.data
        if isinstance(step, str) and isinstance(data, dict):
            value = data.get(step)
        elif isinstance(step, int) and isinstance(data, list) and -len(data) <= step < len(data):
            value = data[step]
        else:
            return None
    if isinstance(value, Known) and value.data is None:
        return None
    return value


def text(value: Value | None) -> str | None:
    """The scalar as text, as YAML and HCL would print it; None for anything else."""
    if not isinstance(value, Known) or isinstance(value.data, list | dict) or value.data is None:
        return None
    if isinstance(value.data, bool):
        return "true" if value.data else "false"
    if isinstance(value.data, float) and value.data.is_integer():
        return str(int(value.data))
    return str(value.data)


def items(value: Value | None) -> list[Value]:
    """The elements of a list; nothing for what is not a list."""
    return list(value.data) if isinstance(value, Known) and isinstance(value.data, list) else []


def fields(value: Value | None) -> dict[str, Value]:
    """The entries of a mapping; nothing for what is not a mapping."""
    return dict(value.data) if isinstance(value, Known) and isinstance(value.data, dict) else {}


def without(value: Value, mark: str, why: str) -> Value:
    """A value whose texts that hold a mark, such as ``{{``, are unknown: something else fills them in.

    Text of several lines is kept: it is a file, in a config map for example.
    """
    if isinstance(value, Unknown):
        return value
    if isinstance(value.data, dict):
        return Known({key: without(inner, mark, why) for key, inner in value.data.items()}, value.at)
    if isinstance(value.data, list):
        return Known([without(inner, mark, why) for inner in value.data], value.at)
    if isinstance(value.data, str) and mark in value.data and "\n" not in value.data:
        return Unknown(f"{value.data} {why}", value.at)
    return value


def plain(value: Value | None) -> Any:
    """The bare data. Raises LookupError when a part of it is unknown."""
    if value is None:
        return None
    if isinstance(value, Unknown):
        raise LookupError(value.reason)
    if isinstance(value.data, list):
        return [plain(item) for item in value.data]
    if isinstance(value.data, dict):
        return {key: plain(item) for key, item in value.data.items()}
    return value.data


def number(value: Value | None) -> int | None:
    """The whole number, even if it was written as text; None for anything else."""
    written = text(value)
    try:
        return int(written) if written is not None else None
    except ValueError:
        return None


def walk(value: Value | None) -> Iterator[Value]:
    """The value and everything inside it."""
    if value is None:
        return
    yield value
    if isinstance(value, Known):
        inner = (
            value.data.values()
            if isinstance(value.data, dict)
            else value.data
            if isinstance(value.data, list)
            else ()
        )
        for item in inner:
            yield from walk(item)
