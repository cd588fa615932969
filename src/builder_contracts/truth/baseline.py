"""A file of findings that are known, so that a big repository starts clean and only gets better."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder_contracts.contract import files
from builder_contracts.errors import BuilderContractsError, InputError, Location, Problem
from builder_contracts.truth.finding import Finding

SCHEMA = "builder-contracts/baseline/v1"


@dataclass(frozen=True)
class Compared:
    """Findings before a baseline: new ones, known ones, and how many entries are not needed any more."""

    new: tuple[Finding, ...]
    known: tuple[Finding, ...]
    gone: int


def read(path: Path) -> Counter[str]:
    """The fingerprints of a baseline and how often each may occur. Raises InputError."""
    mend = "write one with --write-baseline"
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(
            [Problem(Location(str(path), 1), f"cannot be read: {error.strerror}", mend)]
        ) from None
    except ValueError as error:
        raise InputError(
            [Problem(Location(str(path), getattr(error, "lineno", 1)), f"not JSON: {error}", mend)]
        ) from None
    entries = data.get("findings") if isinstance(data, dict) and data.get("schema") == SCHEMA else None
    if not isinstance(entries, list) or not all(
        isinstance(one, dict) and isinstance(one.get("fingerprint"), str) for one in entries
    ):
        raise InputError(
            [Problem(Location(str(path), 1), f"not a baseline: 'schema' must be {SCHEMA}", mend)]
        )
    return Counter(one["fingerprint"] for one in entries)


def compare(findings: Sequence[Finding], known: Counter[str]) -> Compared:
    """Split findings into new and known ones; each entry of the baseline excuses one."""
    left = Counter(known)
    new: list[Finding] = []
    old: list[Finding] = []
    for finding in findings:
        if left[finding.fingerprint] > 0:
            left[finding.fingerprint] -= 1
            old.append(finding)
        else:
            new.append(finding)
    return Compared(tuple(new), tuple(old), left.total())


def write(path: Path, findings: Sequence[Finding]) -> None:
    """Write a baseline of these findings, whole or not at all. Raises BuilderContractsError."""
    entries = [
        {
            "fingerprint": one.fingerprint,
            "clause": one.clause,
            "file": one.here.at.file,
            "says": one.here.says,
        }
        for one in sorted(findings, key=lambda one: (one.clause, one.here.at.file, one.here.at.line))
    ]
    body = json.dumps({"schema": SCHEMA, "findings": entries}, indent=1, ensure_ascii=False) + "\n"
    try:
        files.write(path, body.encode())
    except OSError as error:
        raise BuilderContractsError(f"{path} cannot be written: {error.strerror}") from None
