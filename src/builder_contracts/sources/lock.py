"""Read and write the lock: which content each source had when it was taken in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from builder_contracts.contract.document import read
from builder_contracts.contract.files import is_file, write
from builder_contracts.errors import BuilderContractsError, InputError, Problem

VARIABLE = "BUILDER_CONTRACTS_LOCK"
"""Names another file than ``contracts.lock`` in the current directory, where no option does."""

_DIGEST = r"sha256:[0-9a-f]{64}"
_HEAD = """\
# Which contracts are used of each source. Keep this file under version control;
# 'builder-contracts lock' renews it.
"""


@dataclass(frozen=True)
class LockedSource:
    """``digest`` is of the documents; ``resolved`` the commit or the manifest that had them."""

    digest: str
    resolved: str


def path(cwd: Path, chosen: Path | None = None) -> Path:
    """The file of the lock: the chosen one, or that of the variable, or ``contracts.lock``."""
    return cwd / (chosen or os.environ.get(VARIABLE) or "contracts.lock")


def load(file: Path) -> Mapping[str, LockedSource]:
    """The sources that are locked, none without a file. Raises InputError."""
    if not is_file(file):
        return {}
    document = read(file)
    sources = document.data.get("sources") if isinstance(document.data, dict) else None
    if not isinstance(sources, dict):
        raise InputError(
            [Problem(document.source(()), "this is not a lock of contracts", "remove it, and lock again")]
        )
    locked = {}
    for address, entry in sources.items():
        digest, resolved = (
            entry.get(key) if isinstance(entry, dict) else None for key in ("digest", "resolved")
        )
        if not re.fullmatch(_DIGEST, str(digest)) or not re.fullmatch(
            rf"{_DIGEST}|[0-9a-f]{{40,64}}", str(resolved)
        ):
            message, fix = "this is not a locked source", f"run 'builder-contracts lock {address}'"
            raise InputError([Problem(document.source(("sources", address)), message, fix)])
        locked[str(address)] = LockedSource(str(digest), str(resolved))
    return locked


def save(file: Path, locked: Mapping[str, LockedSource]) -> None:
    """Write the lock. Raises BuilderContractsError."""
    sources = {
        address: {"digest": locked[address].digest, "resolved": locked[address].resolved}
        for address in sorted(locked)
    }
    text = _HEAD + yaml.safe_dump({"sources": sources}, sort_keys=False, width=1000)
    try:
        write(file, text.encode())
    except OSError as error:
        raise BuilderContractsError(
            f"cannot write {file}: {error.strerror}; --lock FILE or {VARIABLE}=FILE names another file"
        ) from None
