"""Dataclasses from their plain data, as ``as_json`` makes it: what is read has exactly the types of the model."""

from __future__ import annotations

import builtins
import collections.abc
import dataclasses
import json
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from builder_contracts.errors import InputError, Location, Problem

# The JSON types of the model's plain types, and their names for people. Nothing is converted:
# values that differ must not become equal.
_PLAIN: dict[Any, tuple[tuple[type, ...], str]] = {
    str: ((str,), "text"),
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((float, int), "a number"),
    dict: ((dict,), "a mapping"),
    list: ((list,), "a list"),
}


class _Damage(Exception):
    """A value that the model does not have, in words."""


def load_data(text: str, file: str, fix: str) -> Any:
    """The data in the JSON text of a file. Raises InputError, with this ``fix``."""
    try:
        return json.loads(text)
    except RecursionError:
        raise _error(Location(file), "not JSON: nested too deeply", fix) from None
    except json.JSONDecodeError as error:
        raise _error(Location(file, error.lineno, error.colno), f"not JSON: {error.msg}", fix) from None
    except ValueError as error:  # a number of too many digits
        raise _error(Location(file), f"not JSON: {error}", fix) from None


def from_plain(data: Any, kind: Any, file: str, name: str, fix: str) -> Any:
    """The ``kind`` of document that ``as_json`` made this data of; people call it ``name``. Raises InputError."""
    schema = next(field.default for field in dataclasses.fields(kind) if field.name == "schema")
    if not isinstance(data, dict) or data.get("schema") != schema:
        raise _error(Location(file), f"not {name}: the field 'schema' is not {schema}", fix)
    try:
        return _structured(data, kind, "")
    except _Damage as damage:
        raise _error(Location(file), f"corrupt: {damage}", f"save the {name} again") from None


def _error(source: Location, message: str, fix: str) -> InputError:
    return InputError([Problem(source, message, fix)])


def is_reason(value: Any) -> bool:
    """Whether plain data is the reason why there is no other."""
    # Names of tools, features and variables are keys as well; none of them holds a truth value.
    return isinstance(value, dict) and isinstance(value.get("provable_here"), bool) and "reason" in value


def _structured(value: Any, kind: Any, at: str) -> Any:
    """The value at that path (as jq writes it) as this type of the model. Raises _Damage."""
    choices = {*get_args(kind)} if get_origin(kind) in (Union, UnionType) else {kind}
    if type(None) in choices and value is None:
        return None
    reasons = {choice for choice in choices if hasattr(choice, "provable_here")}
    if reasons and is_reason(value):
        (kind,) = reasons
        return _fields(value, kind, at)
    (kind,) = choices - reasons - {type(None)}
    if dataclasses.is_dataclass(kind):
        return _fields(value, kind, at)
    match get_origin(kind), get_args(kind):
        case ((collections.abc.Mapping | builtins.dict), (_, inner)):
            _require(value, dict, at)
            return {_text(name, at): _structured(item, inner, f"{at}.{name}") for name, item in value.items()}
        case (builtins.list | builtins.tuple | builtins.frozenset) as collection, (*inners,):
            _require(value, list, at)
            if collection is not tuple or inners[1:] == [...]:
                inners = inners[:1] * len(value)
            if len(value) != len(inners):
                raise _Damage(f"{at} has {len(value)} items, expected {len(inners)}")
            return collection(
                _structured(item, inner, f"{at}[{index}]")
                for index, (item, inner) in enumerate(zip(value, inners, strict=True))
            )
        case _:
            if kind is not object:
                _require(value, kind, at)
            return _text(value, at) if isinstance(value, str) else value


def _fields(value: Any, kind: Any, at: str) -> Any:
    _require(value, dict, at)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name in value.keys() - fields.keys():
        raise _Damage(f"{at or 'the document'} has unknown field {name[:60]!a}")
    for name, field in fields.items():
        if name not in value and {field.default, field.default_factory} == {dataclasses.MISSING}:
            raise _Damage(f"{at or 'the document'} is missing field {name!r}")
    kinds = _kinds(kind)
    return kind(**{name: _structured(item, kinds[name], f"{at}.{name}") for name, item in value.items()})


@cache
def _kinds(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _require(value: Any, kind: Any, at: str) -> None:
    types, expected = _PLAIN[kind]
    if type(value) not in types:
        seen = _PLAIN[type(value)][1] if isinstance(value, dict | list) else json.dumps(value)[:60]
        raise _Damage(f"{at} is {seen}, expected {expected}")


def _text(text: str, at: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Damage(f"{at} contains an unpaired surrogate: {text[:60]!a}") from None
    return text
