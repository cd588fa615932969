"""Validate documents against their JSON Schema, and report errors in the terms of the contract language.

Importing this module takes longer than reading a contract: see ``validity``.
"""

from __future__ import annotations

import ipaddress
import json
import re
import warnings
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry, Resource

from builder_contracts.contract.document import Document, Pointer
from builder_contracts.contract.schemas import MAX_PROBLEMS, load, names, nearest, owner, resolve
from builder_contracts.errors import Problem

_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


def _regex_error(pattern: str) -> str:
    """The error in a pattern, or an empty text."""
    try:
        with warnings.catch_warnings():
            # Python warns of patterns whose meaning is about to change.
            warnings.simplefilter("error")
            re.compile(pattern)
    except (re.error, OverflowError, Warning) as error:
        return str(error)
    except RecursionError:
        return "groups are nested too deeply"
    return ""


def _url_error(url: str) -> str:
    """The error in a URL, or an empty text."""
    try:
        parts = urlsplit(url)
        return (
            "" if parts.scheme and parts.hostname and parts.port != 0 else "expected SCHEME://HOST:PORT/PATH"
        )
    except ValueError as error:
        return str(error)


def _address_error(address: str) -> str:
    """The error in an IPv4 or IPv6 address, or an empty text."""
    try:
        ipaddress.ip_address(address)
    except ValueError as error:
        return str(error)
    return ""


_FORMATS = {
    "regex": ("regular expression", _regex_error),
    "uri": ("URL", _url_error),
    "ip-address": ("IP address", _address_error),
}


def _format(_: Validator, name: str, value: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and _FORMATS[name][1](value):
        yield ValidationError("malformed")


def _pattern(_: Validator, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    # Of what is too short or malformed, that is all there is to say.
    if not isinstance(value, str) or len(value) < schema.get("minLength", 0):
        return
    if "format" in schema and _FORMATS[schema["format"]][1](value):
        return
    # JSON Schema's "$" is the end of the text; Python's also matches before a line break at the end.
    if not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError("does not match")


def _unique(_: Validator, required: bool, value: Any, __: Any) -> Iterator[ValidationError]:
    # The library compares each item with each other one where items cannot be sorted.
    if not required or not isinstance(value, list):
        return
    seen: set[str] = set()
    for index, item in enumerate(value):
        text = json.dumps(item, sort_keys=True)
        if text in seen:
            yield ValidationError("repeated", path=[index], instance=item)
        seen.add(text)


_KEYWORDS = {"format": _format, "pattern": _pattern, "uniqueItems": _unique}
_Validator = extend(Draft202012Validator, _KEYWORDS)  # type: ignore[no-untyped-call]  # a gap of the stubs


@cache
def _registry() -> Registry[Any]:
    schemas = [load(name) for name in names()]
    return Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in schemas)


@cache
def _validator(name: str) -> Validator:
    validator: Validator = _Validator(load(name), registry=_registry())
    return validator


def problems(name: str, document: Document) -> list[Problem]:
    """The errors of the document against its schema, in the order of its lines."""
    errors = islice(_validator(name).iter_errors(document.data), 10 * MAX_PROBLEMS)
    groups = (_problem(name, document, error) for top in errors for error in _narrow(top))
    unique = dict.fromkeys(problem for group in groups for problem in group)
    ordered = sorted(
        unique, key=lambda problem: (problem.source.file, problem.source.line, problem.source.column)
    )
    if len(ordered) <= MAX_PROBLEMS:
        return ordered
    rest = Problem(ordered[MAX_PROBLEMS].source, "more problems follow", "fix the problems above first")
    return [*ordered[:MAX_PROBLEMS], rest]


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


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"


def _show(value: Any, spelling: str | None = None) -> str:
    """The value as JSON or as the file spells it, shortened; a bomb is not written out for that."""
    if spelling:
        return _short(spelling)
    text = ""
    for part in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        text += part
        if len(text) > 60:
            break
    return _short(text)


def _problem(root: str, document: Document, error: ValidationError) -> list[Problem]:
    pointer: Pointer = tuple(error.absolute_path)
    name = ".".join(_short(str(part)) for part in pointer) or "the document"
    schema = error.schema if isinstance(error.schema, dict) else {}
    value: Any = error.instance
    if "propertyNames" in error.absolute_schema_path:
        # The library reports a name itself, at the mapping that holds it.
        pointer = (*pointer, value)
        name = f"key in {name}"
    place = document.source(pointer)
    seen = _show(value, document.spellings.get(pointer))
    about = "; ".join(filter(None, [schema.get("description", "").rstrip("."), *_examples(schema)]))
    limit: Any = error.validator_value
    match error.validator:
        case "additionalProperties" if limit is False:
            fields = sorted(schema.get("properties", {}))
            unknown = islice((field for field in value if field not in fields), MAX_PROBLEMS + 1)
            return [
                Problem(
                    document.source((*pointer, field)),
                    f"unknown field {_show(field)} in {name}",
                    f"did you mean {guess!r}?"
                    if (guess := nearest(field, fields))
                    else f"known fields: {', '.join(fields)}",
                )
                for field in unknown
            ]
        case "required":
            home = owner(root, error.absolute_schema_path)
            missing = [field for field in limit if field not in value]
            return [
                Problem(place, f"{name} is missing required field {field!r}", _field_fix(schema, field, home))
                for field in missing
            ]
        case "type" if value is None:
            return [
                Problem(
                    place,
                    f"{name} is empty: it promises nothing",
                    f"set a value or remove the field. {about}",
                )
            ]
        case "type":
            expected = " or ".join(_TYPES[kind] for kind in ([limit] if isinstance(limit, str) else limit))
            quotes = ""
            if limit == "string" and isinstance(value, int | float):
                quotes = f'quote it: "{seen}". '
            elif limit == "integer" and isinstance(value, str) and re.fullmatch("[0-9]{1,20}", value):
                quotes = "remove the quotes. "
            return [Problem(place, f"{name} is {seen}, expected {expected}", quotes + about)]
        case "const":
            return [Problem(place, f"{name} is {seen}", f"use {_show(limit)}")]
        case "enum":
            guess = nearest(value, limit) if isinstance(value, str) else None
            fix = f"did you mean {guess!r}?" if guess else ""
            if not guess or len(limit) <= 12:
                fix = f"{fix} use one of {', '.join(map(str, limit))}".strip()
            return [Problem(place, f"{name} is {seen}", fix)]
        case "pattern":
            return [Problem(place, f"{name} has an invalid format: {seen}", about)]
        case "format":
            noun, error_of = _FORMATS[limit]
            return [Problem(place, f"{name} is not a valid {noun}: {error_of(value)}", about)]
        case "minProperties" | "minItems" | "minLength" if not value:
            return [
                Problem(
                    place,
                    f"{name} is empty: it promises nothing",
                    f"set a value or remove the field. {about}",
                )
            ]
        case "minProperties" | "minItems" | "maxProperties" | "maxItems" as bound:
            edge = "least" if bound.startswith("min") else "most"
            return [Problem(place, f"{name} has {len(value)} entries, expected at {edge} {limit}", about)]
        case "minLength" | "maxLength" as bound:
            edge = "short: at least" if bound == "minLength" else "long: at most"
            return [Problem(place, f"{name} is too {edge} {limit} characters: {seen}", about)]
        case "uniqueItems":
            listed = ".".join(_short(str(part)) for part in pointer[:-1])
            return [Problem(place, f"{listed} contains {seen} twice", "remove the duplicate")]
        case "minimum" | "maximum":
            edge = "least" if error.validator == "minimum" else "most"
            return [Problem(place, f"{name} is {seen}, out of range", f"use at {edge} {limit}")]
        case "anyOf":
            home = owner(root, error.absolute_schema_path)
            titles = [_alternative(resolve(branch, home)) for branch in limit]
            return [Problem(place, f"{name} is {seen}", f"use {', or '.join(titles)}")]
        case other:
            return [Problem(place, f"{name} is {seen}, which violates '{other}'", about)]


def _examples(schema: dict[str, Any]) -> list[str]:
    examples = schema.get("examples", [])
    return [f"for example {', '.join(map(str, examples))}"] if examples else []


def _field_fix(schema: dict[str, Any], field: str, home: str) -> str:
    resolved = resolve(schema.get("properties", {}).get(field, {}), home)
    return f"add {field}: {resolved.get('description', 'required').rstrip('.')}"


def _alternative(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(repr(choice) for choice in schema["enum"])
    fields = ", ".join(schema.get("properties", {}))
    return f"a mapping with {fields}" if fields else str(schema.get("title", "another value"))
