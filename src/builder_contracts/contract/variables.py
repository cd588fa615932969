"""Variables of a contract: ``vars`` declares them, ``${NAME}`` in a value stands for one. Pure.

A variable is data. It is put in once and not read again, so its text never becomes another reference.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from builder_contracts.contract import schemas
from builder_contracts.contract.document import Document, Pointer
from builder_contracts.contract.yaml_parser import plain
from builder_contracts.errors import InputError, Problem

Value = str | int | bool

SECTION = "vars"
NAME = "[A-Za-z_][A-Za-z0-9_]{0,99}"
# A second dollar sign makes the text itself of a reference.
_REFERENCE = re.compile(rf"\$\$\{{|\$\{{({NAME})\}}")


def values_of(document: Document, settings: Mapping[str, str]) -> dict[str, Value]:
    """The variables of a merged contract by name, with ``settings`` in the place of defaults.

    Raises InputError for one that has no value, or that the contract itself declares and does not use.
    """
    declared = document.data.get(SECTION)
    if not isinstance(declared, dict):
        return {}
    used = {name for pointer, text in _texts(document.data, ()) for name in _names(text)}
    values: dict[str, Value] = {}
    problems: list[Problem] = []
    for name, default in declared.items():
        at = document.source((SECTION, name))
        try:
            value = _typed(settings[name], default) if name in settings else default
        except ValueError as error:
            problems.append(
                Problem(at, f"--set {name}={settings[name]}: {error}", "set a value of that type")
            )
            continue
        if value is None:
            fix = f"pass --set {name}=VALUE, or give it a default"
            problems.append(Problem(at, f"variable {name} has no value", fix))
        elif isinstance(value, Value):
            values[name] = value
        # A base serves several contracts; not each of them uses all that it declares.
        if name not in used and at.file == document.source(()).file:
            fix = f"write ${{{name}}} where it belongs, or remove the variable"
            problems.append(Problem(at, f"variable {name} is not used", fix))
    if problems:
        raise InputError(problems)
    return values


def fill(document: Document, values: Mapping[str, Value]) -> Document:
    """The document with each reference replaced. Raises InputError for those that no variable has the name of."""
    problems = list(_problems(document, values))
    if problems:
        raise InputError(problems)
    data = {key: part if key == SECTION else _filled(part, values) for key, part in document.data.items()}
    if values and SECTION in data:
        data[SECTION] = {name: values.get(name, default) for name, default in data[SECTION].items()}
    return dataclasses.replace(document, data=data)


def _problems(document: Document, values: Mapping[str, Value]) -> Iterator[Problem]:
    for pointer, text in _texts(document.data, ()):
        for name in _names(text):
            if name not in values:
                guess = schemas.nearest(name, sorted(values))
                fix = f"did you mean {guess}? or " if guess else ""
                yield Problem(
                    document.source(pointer),
                    f"variable {name} is not defined",
                    f"{fix}declare it under 'vars', or write $${{{name}}} for the text itself",
                )
    for pointer in _keys(document.data, ()):
        yield Problem(
            document.source(pointer), f"variable in the key {pointer[-1]!r}", "use variables in values only"
        )


def _typed(text: str, default: Any) -> Value:
    """The text of ``--set`` as the type of the default; without one, as YAML reads it. Raises ValueError."""
    if isinstance(default, str):
        return text
    value = plain(text)
    if default is not None and type(value) is not type(default):
        raise ValueError(
            f"the default {default!r} is {'a truth value' if default is True or default is False else 'a number'}"
        )
    return value if isinstance(value, Value) else text


def _filled(part: Any, values: Mapping[str, Value]) -> Any:
    match part:
        case dict():
            return {key: _filled(inner, values) for key, inner in part.items()}
        case list():
            return [_filled(inner, values) for inner in part]
        case str() if "$" in part:
            whole = _REFERENCE.fullmatch(part)
            if whole and whole[1]:
                return values[whole[1]]
            return _REFERENCE.sub(lambda match: _text(values[match[1]]) if match[1] else "${", part)
        case _:
            return part


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _names(text: str) -> Iterator[str]:
    return (match[1] for match in _REFERENCE.finditer(text) if match[1])


def _texts(part: Any, at: Pointer) -> Iterator[tuple[Pointer, str]]:
    """Every text that may hold references, with its path."""
    match part:
        case dict():
            for key, inner in part.items():
                if at or key != SECTION:
                    yield from _texts(inner, (*at, key))
        case list():
            for index, inner in enumerate(part):
                yield from _texts(inner, (*at, index))
        case str() if "$" in part:
            yield at, part
        case _:
            pass


def _keys(part: Any, at: Pointer) -> Iterator[Pointer]:
    """The path of every key that holds a reference."""
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, inner in items:
        if isinstance(key, str) and any(_names(key)):
            yield (*at, key)
        yield from _keys(inner, (*at, key))
