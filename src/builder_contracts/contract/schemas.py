"""The JSON Schemas of the contract language, as plain data."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

MAX_PROBLEMS = 20
"""Problems of one document that are reported at a time: hostile input has no end of them."""

# A plain path: importlib.resources would cost a third of the time that loading a contract takes.
_FOLDER = Path(__file__).parent / "schema"


def names() -> list[str]:
    """The names of all schemas."""
    return sorted(
        entry.name.removesuffix(".json") for entry in _FOLDER.iterdir() if entry.name.endswith(".json")
    )


@cache
def kinds() -> frozenset[str]:
    """Every ``kind`` of document that some schema describes."""
    consts = (load(name).get("properties", {}).get("kind", {}).get("const") for name in names())
    return frozenset(kind for kind in consts if kind)


def text(name: str) -> str:
    """The schema of that name as its file has it."""
    return (_FOLDER / f"{name}.json").read_text("utf-8")


@cache
def load(name: str) -> dict[str, Any]:
    """The schema of that name (``builder-class``) as plain data."""
    schema: dict[str, Any] = json.loads(text(name))
    return schema


def is_image(reference: str) -> bool:
    """Whether the text has the form of an image's reference."""
    form = load("builder-class")["$defs"]["image"]["properties"]["reference"]["pattern"]
    return re.fullmatch(form, reference) is not None


def is_class_name(name: str) -> bool:
    """Whether the text has the form of a class's name."""
    form = load("builder-class")["properties"]["metadata"]["properties"]["name"]["pattern"]
    return re.fullmatch(form, name) is not None


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant, or None."""
    close = difflib.get_close_matches(word[:200], list(candidates), n=1, cutoff=0.55)
    return close[0] if close else None


def resolve(part: Any, name: str = "builder-class") -> dict[str, Any]:
    """A part of the schema ``name`` with its references followed; keys next to a reference win."""
    resolved: dict[str, Any] = dict(part)
    while "$ref" in resolved:
        name, target = follow(resolved.pop("$ref"), name)
        resolved = {**target, **resolved}
    return resolved


def follow(reference: str, name: str) -> tuple[str, dict[str, Any]]:
    """The target of a reference in the schema ``name``, with the name of the schema that contains it."""
    file, _, fragment = reference.partition("#/")
    name = file.removesuffix(".json") or name
    target: Any = load(name)
    for step in filter(None, fragment.split("/")):
        target = target[step]
    return name, target


def owner(name: str, path: Iterable[str | int]) -> str:
    """The schema that contains the part at this path, if validation began in the schema ``name``."""
    part: Any = load(name)
    for step in path:
        # The validator's paths leave references out.
        while isinstance(part, dict) and step not in part:
            name, part = follow(part["$ref"], name)
        part = part[step]
    return name
