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
"""Problems of one document that are told at a time: hostile input has no end of them."""

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


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None."""
    close = difflib.get_close_matches(word[:200], list(known), n=1, cutoff=0.55)
    return close[0] if close else None


def resolve(schema: Any, name: str = "builder-class") -> dict[str, Any]:
    """A part of the schema ``name`` with its reference followed; what stands beside the reference wins."""
    resolved: dict[str, Any] = dict(schema)
    while "$ref" in resolved:
        file, _, fragment = resolved.pop("$ref").partition("#/")
        target: Any = load(file.removesuffix(".json") or name)
        for part in fragment.split("/"):
            target = target[part]
        resolved = {**target, **resolved}
    return resolved
