"""Facts to JSON and back, with secrets left out."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_args

import cattrs

from builder_contracts.errors import InputError, Problem, Source
from builder_contracts.facts.model import SCHEMA, Facts, Unseen
from builder_contracts.facts.secret import visible

_MEND = "save facts with 'builder-contracts facts'"


def _is_unseen(value: Any) -> bool:
    # Names of tools, features and variables are keys as well; none of them holds a truth value.
    return isinstance(value, dict) and isinstance(value.get("here"), bool) and "unseen" in value


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)

    def is_seen(kind: Any) -> bool:
        return Unseen in get_args(kind)

    def structure(value: Any, kind: Any) -> Any:
        if _is_unseen(value):
            return converter.structure(value, Unseen)
        others = [choice for choice in get_args(kind) if choice is not Unseen]
        if type(None) in others and value is None:
            return None
        return converter.structure(value, next(choice for choice in others if choice is not type(None)))

    converter.register_structure_hook_func(is_seen, structure)
    return converter


_CONVERTER = _converter()


def redacted(facts: Facts) -> Facts:
    """The same facts without the values of variables that look like secrets."""
    if isinstance(facts.env, Unseen):
        return facts
    env = {name: visible(name, value) for name, value in facts.env.items()}
    return dataclasses.replace(facts, env=env)


def to_json(facts: Facts) -> str:
    """The facts as indented JSON, secrets redacted."""
    return json.dumps(_CONVERTER.unstructure(redacted(facts)), indent=2, sort_keys=True, ensure_ascii=False)


def from_json(text: str, file: str) -> Facts:
    """Facts that ``to_json`` wrote. Raises InputError for anything else."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:  # also a number of too many digits, and too many brackets
        place, what = Source(file, 1), str(error)
        if isinstance(error, json.JSONDecodeError):
            place, what = Source(file, error.lineno, error.colno), error.msg
        raise InputError([Problem(place, f"not JSON: {what}", _MEND)]) from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise InputError(
            [
                Problem(
                    Source(file, 1),
                    f"not facts: the field 'schema' is not {SCHEMA}",
                    _MEND,
                )
            ]
        )
    try:
        return _CONVERTER.structure(data, Facts)
    except cattrs.BaseValidationError as error:
        reasons = "; ".join(cattrs.transform_error(error)[:3])
        raise InputError(
            [Problem(Source(file, 1), f"facts are damaged: {reasons}", "save them anew")]
        ) from None


def flatten(facts: Facts) -> dict[str, str]:
    """Every fact under its path (``tools.xz.path``), as text: what two observations are compared by."""
    flat: dict[str, str] = {}

    def walk(value: Any, path: str) -> None:
        if _is_unseen(value):
            flat[path] = f"not seen: {value['unseen']}"
        elif isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(inner, f"{path}.{key}" if path else str(key))
        else:
            flat[path] = json.dumps(value, ensure_ascii=False)

    walk(_CONVERTER.unstructure(redacted(facts)), "")
    return flat
