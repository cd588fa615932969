"""A cache of valid documents, so that the validator is not imported for them again."""

from __future__ import annotations

import contextlib
import hashlib
import os
from functools import cache
from pathlib import Path

from builder_contracts import __version__
from builder_contracts.contract import schemas
from builder_contracts.contract.document import Document
from builder_contracts.errors import InputError

CACHE = "BUILDER_CONTRACTS_CACHE"
"""The variable that names another folder for what is remembered; set to nothing, nothing is."""

MOST = 1000
"""Documents that are remembered: hostile or generated input must not fill a disk."""


def check(name: str, document: Document) -> None:
    """Raises InputError with every problem that the schema ``name`` finds in the document."""
    try:
        mark = _mark(name, document)
        if mark is not None and mark.exists():
            return
    except (OSError, RuntimeError):  # a folder of somebody else's; an account without a home
        mark = None
    from builder_contracts.contract.validation import problems

    if errors := problems(name, document):
        raise InputError(errors)
    if mark is not None:
        # A read-only home or a full disk must not fail the run: the document is validated again the next time.
        with contextlib.suppress(OSError):
            _remember(mark)


def _mark(name: str, document: Document) -> Path | None:
    """The file whose presence says that this very document was found valid by this very validator.

    Raises RuntimeError if the directory of the user's own files is unknown.
    """
    if os.environ.get(CACHE) == "":
        return None
    folder = cache_folder()
    # The text of plain data says types and order, too, which JSON would not.
    seen = f"{_rules()} {name} {document.data!r}".encode("utf-8", "surrogatepass")
    return folder / "valid" / hashlib.sha256(seen).hexdigest()


def cache_folder() -> Path:
    """The directory of the user's own files that can be made again. Raises RuntimeError if it is unknown."""
    named = os.environ.get(CACHE)
    return Path(
        named or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "builder-contracts")
    )


@cache
def _rules() -> str:
    """A digest of all that decides what is valid: the schemas and the program around the validator."""
    digest = hashlib.sha256(__version__.encode())
    for name in schemas.names():
        digest.update(schemas.text(name).encode())
    digest.update(Path(__file__).with_name("validation.py").read_bytes())
    return digest.hexdigest()


def _remember(mark: Path) -> None:
    mark.parent.mkdir(parents=True, exist_ok=True)
    marks = sorted(mark.parent.iterdir(), key=lambda file: file.stat().st_mtime)
    for old in marks[: max(0, len(marks) - MOST + 1)]:
        old.unlink(missing_ok=True)
    mark.touch()
