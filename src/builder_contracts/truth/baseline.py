"""A file of accepted findings, so that a big repository starts clean and only improves."""

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
    """Findings before a baseline: new ones, accepted ones, and how many entries are not needed any more."""

    new: tuple[Finding, ...]
    known: tuple[Finding, ...]
    gone: int


def load_baseline(path: Path) -> Counter[str]:
    """The fingerprints of a baseline and how often each may occur. Raises InputError."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise _problem(path, f"cannot read: {error.strerror}") from None
    except RecursionError:
        raise _problem(path, "nested too deeply") from None
    except ValueError as error:
        raise _problem(path, f"not JSON: {error}", line=getattr(error, "lineno", 1)) from None
    entries = data.get("findings") if isinstance(data, dict) and data.get("schema") == SCHEMA else None
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("fingerprint"), str) for entry in entries
    ):
        raise _problem(
            path, f"not a baseline: 'schema' must be {SCHEMA}, 'findings' a list with fingerprints"
        )
    return Counter(entry["fingerprint"] for entry in entries)


def _problem(path: Path, message: str, *, line: int = 1) -> InputError:
    return InputError([Problem(Location(str(path), line), message, "create one with --write-baseline")])


def compare(findings: Sequence[Finding], accepted: Counter[str]) -> Compared:
    """Split findings into new and accepted ones; each entry of the baseline excuses one."""
    remaining = Counter(accepted)
    new: list[Finding] = []
    accepted_findings: list[Finding] = []
    for finding in findings:
        if remaining[finding.fingerprint] > 0:
            remaining[finding.fingerprint] -= 1
            accepted_findings.append(finding)
        else:
            new.append(finding)
    return Compared(tuple(new), tuple(accepted_findings), remaining.total())


def write_baseline(path: Path, findings: Sequence[Finding]) -> None:
    """Write a baseline of these findings atomically. Raises BuilderContractsError."""
    ordered = sorted(
        findings, key=lambda finding: (finding.clause, finding.actual.at.file, finding.actual.at.line)
    )
    entries = [
        {
            "fingerprint": finding.fingerprint,
            "clause": finding.clause,
            "file": finding.actual.at.file,
            "says": finding.actual.says,
        }
        for finding in ordered
    ]
    body = json.dumps({"schema": SCHEMA, "findings": entries}, indent=1, ensure_ascii=False) + "\n"
    try:
        files.write(path, body.encode())
    except OSError as error:
        raise BuilderContractsError(f"cannot write {path}: {error.strerror}") from None
