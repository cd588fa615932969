"""The pure functions of OpenTofu that deployments of runners and caches use.

Meaning: https://opentofu.org/docs/language/functions. A function raises LookupError if an argument that
it needs is unknown; functions that only pass values on accept unknown values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from builder_contracts.errors import Location
from builder_contracts.truth.value import Known, Unknown, Value, plain, text

Function = Callable[[Sequence[Value], Location], Value]


def _sequence(value: Value) -> list[Value]:
    if isinstance(value, Unknown):
        raise LookupError(value.reason)
    if not isinstance(value.data, list):
        raise TypeError("not a list")
    return value.data


def _mapping(value: Value) -> dict[str, Value]:
    if isinstance(value, Unknown):
        raise LookupError(value.reason)
    if not isinstance(value.data, dict):
        raise TypeError("not a mapping")
    return value.data


def _written(value: Value) -> str:
    written = text(value)
    if written is None:
        raise LookupError(value.reason if isinstance(value, Unknown) else "not text")
    return written


def _pure(function: Callable[..., Any]) -> Function:
    def apply(arguments: Sequence[Value], at: Location) -> Value:
        return _wrap(function(*(plain(argument) for argument in arguments)), at)

    return apply


def _wrap(data: Any, at: Location) -> Value:
    if isinstance(data, list | tuple):
        return Known([_wrap(item, at) for item in data], at)
    if isinstance(data, dict):
        return Known({str(key): _wrap(item, at) for key, item in data.items()}, at)
    return Known(data, at)


def _concat(arguments: Sequence[Value], at: Location) -> Value:
    return Known([item for argument in arguments for item in _sequence(argument)], at)


def _merge(arguments: Sequence[Value], at: Location) -> Value:
    merged: dict[str, Value] = {}
    for argument in arguments:
        if isinstance(argument, Known) and argument.data is None:
            continue
        merged |= _mapping(argument)
    return Known(merged, at)


def _coalesce(arguments: Sequence[Value], at: Location) -> Value:
    for argument in arguments:
        if isinstance(argument, Unknown) or (argument.data is not None and argument.data != ""):
            return argument
    return Known(None, at)


def _try(arguments: Sequence[Value], at: Location) -> Value:
    for argument in arguments:
        if isinstance(argument, Known):
            return argument
    return arguments[-1] if arguments else Known(None, at)


def _lookup(arguments: Sequence[Value], _at: Location) -> Value:
    element = _mapping(arguments[0]).get(_written(arguments[1]))
    if element is not None:
        return element
    if len(arguments) < 3:
        raise LookupError(f"no key {_written(arguments[1])!r}")
    return arguments[2]


def _first(arguments: Sequence[Value], _at: Location) -> Value:
    return arguments[0]


def _tostring(arguments: Sequence[Value], _at: Location) -> Value:
    argument = arguments[0]
    written = text(argument)
    return argument if written is None else Known(written, argument.at)


def _tonumber(arguments: Sequence[Value], _at: Location) -> Value:
    written = _written(arguments[0])
    return Known(int(written) if written.lstrip("-").isdecimal() else float(written), arguments[0].at)


def _values(arguments: Sequence[Value], at: Location) -> Value:
    return Known([value for _, value in sorted(_mapping(arguments[0]).items())], at)


def _flatten(arguments: Sequence[Value], at: Location) -> Value:
    out: list[Value] = []

    def walk(value: Value) -> None:
        if isinstance(value, Known) and isinstance(value.data, list):
            for item in value.data:
                walk(item)
        else:
            out.append(value)

    walk(arguments[0])
    return Known(out, at)


def _compact(arguments: Sequence[Value], at: Location) -> Value:
    return Known(
        [
            item
            for item in _sequence(arguments[0])
            if not isinstance(item, Known) or item.data not in (None, "")
        ],
        at,
    )


def _distinct(arguments: Sequence[Value], at: Location) -> Value:
    kept: list[Value] = []
    seen: list[Any] = []
    for item in _sequence(arguments[0]):
        bare = plain(item)
        if bare not in seen:
            seen.append(bare)
            kept.append(item)
    return Known(kept, at)


def _length(arguments: Sequence[Value], at: Location) -> Value:
    argument = arguments[0]
    if isinstance(argument, Unknown):
        raise LookupError(argument.reason)
    return Known(len(argument.data), at)


def _element(arguments: Sequence[Value], _at: Location) -> Value:
    sequence = _sequence(arguments[0])
    return sequence[int(plain(arguments[1])) % len(sequence)]


def _format(template: str, *values: Any) -> str:
    parts = template.replace("%%", "\0").split("%")
    out = [parts[0]]
    for part, value in zip(parts[1:], values, strict=True):
        if not part.startswith(("s", "d", "v")):
            raise ValueError(f"the verb %{part[:1]}")
        out.append((str(value).lower() if isinstance(value, bool) else str(value)) + part[1:])
    return "".join(out).replace("\0", "%")


FUNCTIONS: dict[str, Function] = {
    "abs": _pure(abs),
    "can": lambda arguments, at: Known(isinstance(arguments[0], Known), at),
    "coalesce": _coalesce,
    "compact": _compact,
    "concat": _concat,
    "contains": _pure(lambda items, item: item in items),
    "distinct": _distinct,
    "element": _element,
    "endswith": _pure(lambda whole, end: whole.endswith(end)),
    "flatten": _flatten,
    "format": _pure(_format),
    "indent": _pure(lambda count, body: body.replace("\n", "\n" + " " * int(count))),
    "join": _pure(lambda separator, items: separator.join(map(str, items))),
    "jsonencode": _first,
    "keys": _pure(sorted),
    "length": _length,
    "lookup": _lookup,
    "lower": _pure(str.lower),
    "max": _pure(max),
    "merge": _merge,
    "min": _pure(min),
    "nonsensitive": _first,
    "one": lambda arguments, at: (_sequence(arguments[0]) or [Known(None, at)])[0],
    "replace": _pure(lambda whole, old, new: whole.replace(old, new)),
    "sensitive": _first,
    "sort": _pure(sorted),
    "split": _pure(lambda separator, whole: whole.split(separator)),
    "startswith": _pure(lambda whole, start: whole.startswith(start)),
    "title": _pure(str.title),
    "tobool": _pure(lambda value: value if isinstance(value, bool) else value == "true"),
    "tolist": _first,
    "tomap": _first,
    "tonumber": _tonumber,
    "toset": _distinct,
    "tostring": _tostring,
    "trim": _pure(str.strip),
    "trimprefix": _pure(str.removeprefix),
    "trimspace": _pure(str.strip),
    "trimsuffix": _pure(str.removesuffix),
    "try": _try,
    "upper": _pure(str.upper),
    "values": _values,
    "yamlencode": _first,
}
