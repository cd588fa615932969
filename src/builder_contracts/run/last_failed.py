"""The clauses that failed in the last run of a directory, stored for ``--last-failed``."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from builder_contracts.contract import files
from builder_contracts.contract.validity import CACHE


def load(cwd: Path) -> frozenset[str]:
    """The IDs of the clauses that failed last; none if nothing is remembered."""
    try:
        data = json.loads(_file(cwd).read_text("utf-8"))
        return frozenset(data) if all(isinstance(clause, str) for clause in data) else frozenset()
    except (OSError, RuntimeError, ValueError, TypeError):
        return frozenset()


def save(cwd: Path, *, judged: Iterable[str], failed: Iterable[str]) -> None:
    """Remember the clauses that failed; of the others those that failed earlier and were not judged now."""
    remembered = (load(cwd) - frozenset(judged)) | frozenset(failed)
    # A read-only home or a full disk must not fail the run.
    with contextlib.suppress(OSError, RuntimeError):
        file = _file(cwd)
        if remembered or file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            files.write(file, json.dumps(sorted(remembered)).encode())


def _file(cwd: Path) -> Path:
    """Raises RuntimeError if nothing is to be remembered, or if the directory of the user's own files is unknown."""
    folder = os.environ.get(CACHE)
    if folder == "":
        raise RuntimeError("nothing is remembered")
    if folder is None:
        folder = str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "builder-contracts"))
    return Path(folder, "last-failed", hashlib.sha256(os.fsencode(cwd.resolve())).hexdigest()[:32])
