"""Paths of pages: stable, valid as file names, and the same in every build."""

from __future__ import annotations

import hashlib
import re

from builder_contracts.dashboard.history.series import ClauseKey

_PLAIN = re.compile(r"[a-z0-9-]{1,60}(/[a-z0-9-]{1,60}){0,4}")


def slug(text: str) -> str:
    """A file name for any text. Different texts get different names, even on case-insensitive file systems."""
    if _PLAIN.fullmatch(text):
        return text.replace("/", ".")
    readable = re.sub(r"[^a-z0-9]+", "-", text.lower())[:60].strip("-") or "x"
    return f"{readable}_{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def anchor(text: str) -> str:
    """An anchor for any text: letters, digits and dashes, starting with a letter."""
    return "at-" + slug(text).replace(".", "-")


def clause_page(clause: ClauseKey) -> str:
    """The page of a clause, without its suffix."""
    return f"clauses/{slug(clause.environment)}/{slug(clause.builder)}/{slug(clause.local_id)}"


def class_file(folder: str, environment: str, builder: str) -> str:
    """The file of a class in a directory, without its suffix."""
    return f"{folder}/{slug(environment)}/{slug(builder)}"
