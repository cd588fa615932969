"""Keep fetched documents in the user's cache, each set in a folder named by its digest, and verify it on each use."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from builder_contracts.contract.validity import cache_folder
from builder_contracts.errors import BuilderContractsError

Documents = Mapping[str, bytes]
"""The content of files by their path, with slashes."""


def digest_of(documents: Documents) -> str:
    """What the lock holds: the SHA-256 of the lines that ``sha256sum`` prints of the files, sorted by path."""
    lines = (f"{hashlib.sha256(documents[path]).hexdigest()}  {path}\n" for path in sorted(documents))
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"


def _folder() -> Path:
    return cache_folder() / "sources"


def is_fetched(file: str) -> bool:
    """Whether a contract was fetched, and is not of a folder that somebody works in."""
    try:
        return Path(file).resolve().is_relative_to(_folder().resolve())
    except RuntimeError:  # an account without a home
        return False


def find(digest: str) -> Path | None:
    """The folder with the documents of this digest; None if there is none, or one that was changed."""
    try:
        folder = _folder() / digest.removeprefix("sha256:")
        documents = {}
        for directory, _, names in os.walk(folder):
            for name in names:
                file = Path(directory, name)
                if file.is_symlink():
                    return None
                documents[file.relative_to(folder).as_posix()] = file.read_bytes()
    except (OSError, RuntimeError):
        return None
    return folder if documents and digest_of(documents) == digest else None


def store(documents: Documents) -> Path:
    """Write the documents; return their folder. Raises BuilderContractsError."""
    partial: Path | None = None
    try:
        folder = _folder() / digest_of(documents).removeprefix("sha256:")
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".partial-"))
        for path, content in documents.items():
            file = partial / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        if folder.exists():
            # Another process wrote the same, or somebody changed what was written.
            shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(FileExistsError, NotADirectoryError):
            partial.rename(folder)
    except (OSError, RuntimeError) as error:
        reason = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else error
        raise BuilderContractsError(
            f"cannot write fetched contracts: {reason}; set XDG_CACHE_HOME to a directory that can be written"
        ) from None
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
    return folder
