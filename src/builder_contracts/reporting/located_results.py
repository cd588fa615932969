"""Broken clauses with their locations in a repository, for programs that show them in the code."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from builder_contracts.errors import Location
from builder_contracts.verdict import Outcome, Verdict


@dataclass(frozen=True)
class LocatedResult:
    """A broken promise at one place.

    ``path`` is relative to the root of the repository if it is ``inside``; elsewhere it is absolute, or a URL. ``related`` is a
    second place in the same repository. ``fingerprint`` stays the same while lines move, and ``occurrence`` counts
    the results that share one.
    """

    verdict: Verdict
    path: str
    inside: bool
    location: Location
    text: str
    fix: str
    fingerprint: str
    occurrence: int
    related: Location | None = None
    related_text: str = ""

    @property
    def key(self) -> str:
        """The value that distinguishes this result from every other result of the run."""
        return f"{self.fingerprint}:{self.occurrence}"


def repository_root(folder: Path) -> Path:
    """The top of the Git repository around a folder, or the folder itself."""
    folder = folder.resolve()
    return next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), folder)


def repository_path(file: str, folder: Path, top: Path) -> tuple[str, bool]:
    """A file, named from a folder, as the repository at ``top`` names it, and whether it lies in there."""
    if "://" in file:
        return file, False
    # As text: a name from elsewhere may be none that a file system takes.
    path = Path(os.path.normpath(folder.resolve() / file))
    if path.is_relative_to(top):
        return path.relative_to(top).as_posix(), True
    return path.as_posix(), False


def located_results(verdicts: Iterable[Verdict], root: Path) -> Iterator[LocatedResult]:
    """Every broken place: those in the checkout at ``root`` that contradict a promise, or else the promise itself."""
    top = repository_root(root)
    seen: Counter[str] = Counter()
    for verdict in verdicts:
        if verdict.outcome is not Outcome.BROKEN:
            continue
        for contradiction in verdict.contradictions:
            seen[contradiction.fingerprint] += 1
            path, inside = repository_path(contradiction.location.file, root, top)
            other, related = repository_path(contradiction.other.file, root, top)
            yield LocatedResult(
                verdict,
                path,
                inside,
                contradiction.location,
                f"{contradiction.text}; {contradiction.other_text}",
                contradiction.fix,
                contradiction.fingerprint,
                seen[contradiction.fingerprint],
                related=dataclasses.replace(contradiction.other, file=other) if related else None,
                related_text=contradiction.other_text,
            )
        if not verdict.contradictions:
            path, inside = repository_path(verdict.location.file, Path.cwd(), top)
            fingerprint = _fingerprint(verdict.clause, path if inside else "")
            seen[fingerprint] += 1
            yield LocatedResult(
                verdict,
                path,
                inside,
                verdict.location,
                f"promised {verdict.promise}; observed {verdict.observation}",
                "; ".join(filter(None, (verdict.cause, verdict.fix))),
                fingerprint,
                seen[fingerprint],
            )


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:24]
