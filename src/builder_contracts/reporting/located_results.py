"""What is broken, and where in a repository: for programs that show it beside the code."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from builder_contracts.errors import Source
from builder_contracts.evidence.verdict import Outcome, Verdict


@dataclass(frozen=True)
class LocatedResult:
    """A broken promise at one place.

    ``path`` is relative to the root of the repository where it is ``inside``; elsewhere it is absolute, or a URL. ``related`` is a
    second place in the same repository. ``fingerprint`` stays the same while lines move, and ``occurrence`` counts
    the results that share one.
    """

    verdict: Verdict
    path: str
    inside: bool
    location: Source
    text: str
    fix: str
    fingerprint: str
    occurrence: int
    related: Source | None = None
    related_text: str = ""

    @property
    def key(self) -> str:
        """What tells this result apart from every other of the run."""
        return f"{self.fingerprint}:{self.occurrence}"


def repository_root(folder: Path) -> Path:
    """The top of the Git repository around a folder, or the folder itself."""
    folder = folder.resolve()
    return next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), folder)


def repository_path(file: str, root: Path) -> tuple[str, bool]:
    """A file, named from the current directory, as the repository names it, and whether it lies in the repository."""
    path = Path(file).resolve()
    root = root.resolve()
    if path.is_relative_to(root):
        return path.relative_to(root).as_posix(), True
    return path.as_posix(), False


def located_results(verdicts: Iterable[Verdict], root: Path) -> Iterator[LocatedResult]:
    """Every broken place: those in a checkout that contradict a promise, or else the promise itself."""
    seen: Counter[str] = Counter()
    for verdict in verdicts:
        if verdict.outcome is not Outcome.BROKEN:
            continue
        for contradiction in verdict.contradictions:
            seen[contradiction.fingerprint] += 1
            related = contradiction.other if _is_relative(contradiction.other.file) else None
            yield LocatedResult(
                verdict,
                contradiction.location.file,
                _is_relative(contradiction.location.file),
                contradiction.location,
                f"{contradiction.text}; {contradiction.other_text}",
                contradiction.fix,
                contradiction.fingerprint,
                seen[contradiction.fingerprint],
                related=related,
                related_text=contradiction.other_text,
            )
        if not verdict.contradictions:
            path, inside = repository_path(verdict.location.file, root)
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


def _is_relative(file: str) -> bool:
    """Whether a contradiction's file lies in the checkout: elsewhere it is an absolute path or a URL."""
    return "://" not in file and not Path(file).is_absolute()


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:24]
