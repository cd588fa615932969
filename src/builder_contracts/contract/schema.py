"""Holds documents to their JSON Schema and says what is wrong in the contract language's own words."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource

from builder_contracts.contract.document import Document, Pointer
from builder_contracts.errors import InputError, Problem

_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
_FORMATS = FormatChecker(formats=["regex"])


def names() -> list[str]:
    """The names of all schemas."""
    folder = resources.files(__package__).joinpath("schema")
    return sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))


@cache
def load(name: str) -> dict[str, Any]:
    """The schema of that name (``builder-class``) as plain data."""
    text = resources.files(__package__).joinpath("schema", f"{name}.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _registry() -> Registry[Any]:
    schemas = [load(name) for name in names()]
    return Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in schemas)


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(load(name), registry=_registry(), format_checker=_FORMATS)


def problems(name: str, document: Document) -> list[Problem]:
    """Everything that the schema finds wrong with the document, in the order of its lines."""
    found = [
        _problem(document, error)
        for top in _validator(name).iter_errors(document.data)
        for error in _narrow(top)
    ]
    unique = dict.fromkeys(problem for group in found for problem in group)
    return sorted(unique, key=lambda problem: (problem.source.file, problem.source.line, problem.source.column))


def check(name: str, document: Document) -> None:
    """Raises InputError with every problem that the schema finds."""
    if found := problems(name, document):
        raise InputError(found)


def _narrow(error: ValidationError) -> Iterator[ValidationError]:
    """Replace "matches none of the alternatives" by the errors of the alternative that was meant."""
    if error.validator != "anyOf" or not error.context:
        yield error
        return
    branches: dict[Any, list[ValidationError]] = {}
    for child in error.context:
        branches.setdefault(child.schema_path[0], []).append(child)
    meant = [
        children
        for children in branches.values()
        if not any(child.validator in ("type", "enum", "const") and not child.path for child in children)
    ]
    if len(meant) == 1:
        for child in meant[0]:
            yield from _narrow(child)
    else:
        yield error


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None."""
    close = difflib.get_close_matches(word[:200], list(known), n=1, cutoff=0.5)
    return close[0] if close else None


def _resolve(schema: Any) -> Any:
    while isinstance(schema, dict) and "$ref" in schema:
        file, _, fragment = schema["$ref"].partition("#/")
        target: Any = load(file.removesuffix(".json") if file else "builder-class")
        for part in fragment.split("/"):
            target = target[part]
        schema = target
    return schema


def _problem(document: Document, error: ValidationError) -> list[Problem]:
    pointer: Pointer = tuple(error.absolute_path)
    place = document.source(pointer)
    name = ".".join(map(str, pointer)) or "the document"
    schema = error.schema if isinstance(error.schema, dict) else {}
    about = schema.get("description", "")
    value: Any = error.instance
    limit: Any = error.validator_value
    match error.validator:
        case "additionalProperties" if limit is False:
            known = sorted(schema.get("properties", {}))
            return [
                Problem(
                    document.source((*pointer, field)),
                    f"unknown field {_show(field)} in {name}",
                    f"did you mean {guess!r}?"
                    if (guess := nearest(field, known))
                    else f"known fields are {', '.join(known)}",
                )
                for field in value
                if field not in known
            ]
        case "required":
            missing = [field for field in limit if field not in value]
            return [
                Problem(place, f"{name} lacks the field {field!r}", _field_mend(schema, field)) for field in missing
            ]
        case "type":
            wanted = " or ".join(_TYPES[kind] for kind in ([limit] if isinstance(limit, str) else limit))
            quote = f": put it in quotes, {json.dumps(str(value))}" if _unquoted(value, limit) else ""
            return [Problem(place, f"{name} is {_show(value)}, but must be {wanted}{quote}", about)]
        case "const":
            return [Problem(place, f"{name} is {_show(value)}", f"it must be {_show(limit)}")]
        case "enum":
            guess = nearest(value, limit) if isinstance(value, str) else None
            mend = f"did you mean {guess!r}? " if guess else ""
            return [Problem(place, f"{name} is {_show(value)}", f"{mend}it is one of {', '.join(map(str, limit))}")]
        case "pattern" | "format":
            if isinstance(value, str) and error.validator == "format":
                return [Problem(place, f"{name} is not a regular expression: {_regex_fault(value)}", about)]
            # propertyNames reports the name itself, at the mapping that holds it.
            inside = document.source((*pointer, value)) if isinstance(value, str) else place
            return [Problem(inside, f"{name} has {_show(value)}, which does not have the form it needs", about)]
        case "minProperties" | "minItems" | "minLength":
            return [Problem(place, f"{name} is empty or too short: it promises nothing", f"{about} Or remove it.")]
        case "maxLength" | "maxItems" | "maxProperties":
            return [Problem(place, f"{name} is too long: more than {limit}", about)]
        case "uniqueItems":
            return [Problem(place, f"{name} says the same thing twice", "remove the repetition")]
        case "minimum" | "maximum":
            edge = "least" if error.validator == "minimum" else "most"
            return [Problem(place, f"{name} is {_show(value)}, out of range", f"the {edge} that is allowed is {limit}")]
        case "anyOf":
            titles = [_alternative(_resolve(branch)) for branch in limit]
            return [Problem(place, f"{name} is {_show(value)}", f"write {', or '.join(titles)}")]
        case other:
            return [Problem(place, f"{name} is {_show(value)} ({other})", about)]


def _field_mend(schema: dict[str, Any], field: str) -> str:
    known = _resolve(schema.get("properties", {}).get(field, {}))
    return f"add {field}: {known.get('description', 'it is required')}"


def _unquoted(value: Any, wanted: Any) -> bool:
    return wanted == "string" and isinstance(value, int | float | bool)


def _alternative(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(repr(choice) for choice in schema["enum"])
    fields = ", ".join(schema.get("properties", {}))
    return f"a mapping with {fields}" if fields else str(schema.get("title", "another value"))


def _regex_fault(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        return str(error)
    return "it does not compile"
