"""The files of a checkout: which are readable, and which are not.

Reading executes nothing in the directory, follows no link, and opens nothing outside it.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.truth.git_index import NotPlain, read_plain, tracked_folders

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

MAX_BYTES = 2_000_000
"""Larger files are listed, not read: what people configure by hand is never that large."""

TOO_DEEP = "nested too deeply"
"""Why a file that would exhaust a recursive parser was not read."""

# Folders of generated or installed files: nobody promises anything in them.
_SKIPPED = frozenset({".git", ".hg", ".svn", "node_modules", ".venv", ".terraform", "__pycache__", ".direnv", ".tox",
                      ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"})  # fmt: skip
# Formats that are never text. Only a short cut: a NUL near the beginning means the same.
_BINARY = frozenset({".png", ".jpg", ".jpeg", ".gif", ".ico", ".pdf", ".gz", ".xz", ".bz2", ".zst", ".zip", ".tar",
                     ".jar", ".so", ".a", ".o", ".ko", ".pyc", ".woff", ".woff2", ".ttf", ".mo", ".bin"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unread:
    """A path that was not judged, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class File:
    """A text file: its path from the root of the checkout with ``/``, and its bytes."""

    path: str
    raw: bytes

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def text(self) -> str:
        """The text; bytes that are not UTF-8 become U+FFFD, so that the rest is still judged."""
        return self.raw.decode("utf-8", "replace")

    def line_of(self, offset: int) -> int:
        """The line, from 1, of a byte offset."""
        return self.raw.count(b"\n", 0, offset) + 1


@dataclass
class Checkout:
    """The files below ``root``. ``paths`` and ``unread`` are complete once ``files()`` has been read to its end.

    ``links`` has the path of each link and the one that it leads to.
    """

    root: Path
    paths: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)
    binary: int = 0

    def __post_init__(self) -> None:
        if not self.root.is_dir():
            what = "is not a directory" if self.root.exists() else "does not exist"
            raise InputError(
                [Problem(Location(str(self.root), 1), what, "pass the root of a checkout with --repo")]
            )

    @cached_property
    def _tracked(self) -> frozenset[str] | None:
        """The tracked directories. Ignore files apply to untracked paths only, so without an index nothing is ignored."""
        return tracked_folders(self.root)

    def files(self) -> Iterator[File]:
        """Every text file in the order of the paths."""
        yield from self._folder("", ())

    def text_of(self, path: str) -> str | None:
        """The text of a file that was listed; None if it is none, or was not readable."""
        try:
            return read_plain(self.root / path, MAX_BYTES).decode() if path in self.paths else None
        except (OSError, NotPlain, UnicodeDecodeError):
            return None

    def _folder(self, prefix: str, ignores: tuple[tuple[str, GitIgnoreSpec], ...]) -> Iterator[File]:
        try:
            with os.scandir(self.root / prefix) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            self.unread.append(Unread(prefix or ".", f"cannot read directory: {error.strerror}"))
            return
        names = {entry.name for entry in entries}
        if prefix and ".git" in names:
            self.unread.append(
                Unread(prefix.rstrip("/"), "separate repository (submodule); check it on its own")
            )
            return
        if self._tracked is not None and ".gitignore" in names and (spec := self._ignore(prefix)) is not None:
            ignores = (*ignores, (prefix, spec))
        for entry in entries:
            path = prefix + _printable(entry.name)
            if entry.is_symlink():
                # Its target is either judged at its own path or not ours; only that it exists counts.
                self.paths.add(path)
                try:
                    self.links[path] = posixpath.normpath(prefix + os.readlink(entry.path))  # noqa: PTH115 - text is wanted
                    if not entry.is_file():
                        self.folders.add(path)
                except OSError as error:
                    self.unread.append(Unread(path, f"cannot follow link: {error.strerror}"))
            elif entry.is_dir():
                if entry.name in _SKIPPED or (
                    path not in (self._tracked or ()) and _ignored(path + "/", ignores)
                ):
                    continue
                self.folders.add(path)
                if path != prefix + entry.name:
                    self.unread.append(Unread(path, "directory name is not UTF-8"))
                    continue
                yield from self._folder(path + "/", ignores)
            else:
                self.paths.add(path)
                if (file := self._read(entry, path)) is not None:
                    yield file

    def _ignore(self, prefix: str) -> GitIgnoreSpec | None:
        from pathspec import GitIgnoreSpec

        try:
            raw = read_plain(self.root / prefix / ".gitignore", MAX_BYTES)
            lines = raw.decode("utf-8", "replace").splitlines()
            return GitIgnoreSpec.from_lines(lines)
        except (OSError, ValueError):
            return None

    def _read(self, entry: os.DirEntry[str], path: str) -> File | None:
        if os.path.splitext(entry.name)[1].lower() in _BINARY:  # noqa: PTH122 - pathlib is slow on 80,000 files
            self.binary += 1
            return None
        try:
            # Opening a socket fails, and opening a device may do something.
            if not entry.is_file(follow_symlinks=False):
                self.unread.append(Unread(path, "not a regular file"))
                return None
            raw = read_plain(entry.path, MAX_BYTES)
        except NotPlain as error:
            self.unread.append(Unread(path, str(error)))
            return None
        except OSError as error:
            self.unread.append(Unread(path, f"cannot read: {error.strerror}"))
            return None
        if b"\0" in raw[:8192]:
            self.binary += 1
            return None
        return File(path, raw)

    def exists(self, path: str) -> bool:
        """Whether the path is a file, a directory or a link."""
        return path in self.paths or path in self.folders

    @cached_property
    def origin(self) -> tuple[str, Location] | None:
        """``owner/name`` of the remote ``origin`` in .git/config, and its line; None without one."""
        try:
            raw = read_plain(self.root / ".git" / "config", MAX_BYTES)
        except OSError:
            return None
        inside = False
        for number, line in enumerate(raw.decode("utf-8", "replace").splitlines(), 1):
            stripped = line.strip()
            if stripped.startswith("["):
                inside = stripped == '[remote "origin"]'
            elif inside and stripped.partition("=")[0].strip() == "url":
                url = stripped.partition("=")[2].strip().removesuffix(".git")
                parts = url.replace(":", "/").rstrip("/").split("/")
                if len(parts) >= 2:
                    return "/".join(parts[-2:]), Location(".git/config", number)
        return None


def _printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


# Folders only: a single file is judged whether git tracks it or not, because a .tfvars that is kept out of git
# still sets what is deployed.
def _ignored(path: str, ignores: tuple[tuple[str, GitIgnoreSpec], ...]) -> bool:
    return any(spec.match_file(path[len(prefix) :]) for prefix, spec in ignores)
