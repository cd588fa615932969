"""Convert facts to JSON and back, without secrets."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from builder_contracts.contract.files import read_text
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.facts.model import SCHEMA, Facts, ImageFacts, StepFacts, Unseen
from builder_contracts.redaction import learn_data, redact_data, redact_variable

MAX_BYTES = 16_000_000
"""The facts of the largest contract in its largest runner are a hundredth of it."""

_FIX = "save facts with 'builder-contracts facts'"

# The JSON types of the model's plain types, and their names for people. Nothing is converted:
# facts that differ must not become equal.
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


_V1 = "builder-contracts/facts/v1"


def _from_v1(value: Any) -> Any:
    """Facts of version 1 with the field names of version 2."""
    match value:
        case {"unseen": reason, "here": bool(provable)}:
            return {"reason": reason, "provable_here": provable}
        case dict():
            answer = isinstance(value.get("said"), str) and value.keys() <= _V1_ANSWERS
            names = {"said": "output"} if answer else {}
            return {names.get(key, key): _from_v1(item) for key, item in value.items()}
        case list():
            return [_from_v1(item) for item in value]
        case _:
            return value


# Names of tools and variables are keys as well: only a record with these fields has the old name.
_V1_ANSWERS = {"exists", "started", "said", "way", "hopeless", "worked", "outcome", "path", "status"}


def _is_unseen(value: Any) -> bool:
    # Names of tools, features and variables are keys as well; none of them holds a truth value.
    return isinstance(value, dict) and isinstance(value.get("provable_here"), bool) and "reason" in value


def _structured(value: Any, kind: Any, at: str) -> Any:
    """The value at that path (as jq writes it) as this type of the model. Raises _Damage."""
    choices = {*get_args(kind)} if get_origin(kind) in (Union, UnionType) else {kind}
    if type(None) in choices and value is None:
        return None
    if Unseen in choices and _is_unseen(value):
        return _fields(value, Unseen, at)
    (kind,) = choices - {Unseen, type(None)}
    if dataclasses.is_dataclass(kind):
        return _fields(value, kind, at)
    _require(value, get_origin(kind) or kind, at)
    match value:
        case dict():
            _, inner = get_args(kind)
            return {_text(key, at): _structured(item, inner, f"{at}.{key}") for key, item in value.items()}
        case list():
            (inner,) = get_args(kind)
            return [_structured(item, inner, f"{at}[{index}]") for index, item in enumerate(value)]
        case str():
            return _text(value, at)
        case _:
            return value


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


def to_data(facts: Facts) -> dict[str, Any]:
    """The facts as plain data without secrets."""
    data = dataclasses.asdict(facts)
    learn_data(data)
    redacted = redact_data(data)
    if isinstance(facts.env, dict):
        redacted["env"] = _redact_variables(facts.env)
    if isinstance(facts.outside, Facts):
        redacted["outside"] = to_data(facts.outside)
    for shell, step in facts.steps.items():
        if isinstance(step, StepFacts):
            redacted["steps"][shell]["env"] = _redact_variables(step.env)
    if isinstance(facts.image, ImageFacts):
        redacted["image"]["labels"] = _redact_variables(facts.image.labels)
        redacted["image"]["env"] = _redact_variables(facts.image.env)
    return redacted


def _redact_variables(variables: dict[str, str]) -> dict[str, str]:
    return {name: redact_variable(name, value) for name, value in variables.items()}


def to_json(facts: Facts) -> str:
    """The facts as indented JSON, secrets redacted, in ASCII: a terminal acts on nothing of it."""
    return json.dumps(to_data(facts), indent=2, sort_keys=True)


def load_facts(path: Path) -> Facts:
    """The facts in a file that ``builder-contracts facts`` wrote. Raises InputError."""
    return from_json(read_text(path, MAX_BYTES), str(path))


def from_json(text: str, file: str) -> Facts:
    """Facts that ``to_json`` wrote. Raises InputError for anything else."""
    try:
        data = json.loads(text)
    except RecursionError:
        raise _error(Location(file), "not JSON: nested too deeply", _FIX) from None
    except json.JSONDecodeError as error:
        raise _error(Location(file, error.lineno, error.colno), f"not JSON: {error.msg}", _FIX) from None
    except ValueError as error:  # a number of too many digits
        raise _error(Location(file), f"not JSON: {error}", _FIX) from None
    if isinstance(data, dict) and data.get("schema") == _V1:
        data = _from_v1(data) | {"schema": SCHEMA}
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise _error(Location(file), f"not facts: the field 'schema' is not {SCHEMA}", _FIX)
    # Facts of an older release, or of another program, may hold what they should not.
    learn_data(data)
    try:
        facts: Facts = _structured(data, Facts, "")
    except _Damage as damage:
        raise _error(Location(file), f"corrupt: {damage}", "save the facts again") from None
    return facts


def _error(source: Location, message: str, fix: str) -> InputError:
    return InputError([Problem(source, message, fix)])


def flatten(facts: Facts) -> dict[str, str]:
    """Every fact under its path (``tools.xz.path``), as text: what two observations are compared by."""
    flat: dict[str, str] = {}

    def walk(value: Any, path: str) -> None:
        if _is_unseen(value):
            flat[path] = f"not observed: {value['reason']}"
        elif isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(inner, f"{path}.{key}" if path else str(key))
        else:
            flat[path] = json.dumps(value, ensure_ascii=False)

    walk(to_data(facts), "")
    return flat
