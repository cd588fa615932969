"""Tracked paths, read from git's index file: git itself would run commands from the repository's configuration.

Format: Documentation/gitformat-index.txt of git, versions 2 to 4.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

_DIGITS = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ENTRY = 62
_MAX_BYTES = 200_000_000


class NotPlain(OSError):
    """A path that is not a regular file of a bearable size; carries which of the two."""


def read_plain(path: Path | str, limit: int) -> bytes:
    """A regular file of at most ``limit`` bytes, itself not a link. Raises OSError."""
    # O_NONBLOCK: a named pipe must not hold the run.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            raise NotPlain("not a regular file")
        if state.st_size > limit:
            raise NotPlain(f"larger than {limit:,} bytes")
        return os.read(handle, limit)
    finally:
        os.close(handle)


def tracked_folders(root: Path) -> frozenset[str] | None:
    """The directories of ``root`` with a tracked file, or None if there is no readable index."""
    try:
        raw = read_plain(root / ".git" / "index", _MAX_BYTES)
    except OSError:
        return None
    version, count = int.from_bytes(raw[4:8], "big"), int.from_bytes(raw[8:12], "big")
    if raw[:4] != b"DIRC" or version not in (2, 3, 4):
        return None
    try:
        return frozenset(_folders(raw, version, count))
    except (IndexError, ValueError):
        return None


def _folders(raw: bytes, version: int, count: int) -> set[str]:
    """The folders of all entries. Raises IndexError or ValueError for a damaged index."""
    folders: set[str] = set()
    place, path = 12, b""
    for _ in range(count):
        flags = int.from_bytes(raw[place + 60 : place + 62], "big")
        start = place + _ENTRY + (2 if flags & 0x4000 and version >= 3 else 0)
        if version == 4:
            # The path is what is left of the one before after cutting some bytes, and a new end.
            cut, start = _varint(raw, start)
            end = raw.index(b"\0", start)
            path = path[: len(path) - cut] + raw[start:end]
            place = end + 1
        else:
            end = raw.index(b"\0", start)
            path = raw[start:end]
            place += (end - place + 8) & ~7
        _add_parents(path, folders)
    return folders


def _add_parents(path: bytes, folders: set[str]) -> None:
    folder = path.rpartition(b"/")[0].decode("utf-8", "surrogateescape")
    while folder and folder not in folders:
        folders.add(folder)
        folder = folder.rpartition("/")[0]


def _varint(raw: bytes, place: int) -> tuple[int, int]:
    """The offset encoding of pack files: seven bits a byte, one added at each further byte."""
    value = raw[place] & 0x7F
    while raw[place] & 0x80:
        place += 1
        value = ((value + 1) << 7) | (raw[place] & 0x7F)
    return value, place + 1


def commit(root: Path) -> str:
    """The commit that is checked out, as 40 or 64 hexadecimal digits; empty if it cannot be read."""
    git = root / ".git"
    try:
        head = read_plain(git / "HEAD", _MAX_BYTES).decode("ascii").strip()
        if not head.startswith("ref: "):
            return head if _DIGITS.fullmatch(head) else ""
        reference = head.removeprefix("ref: ")
        if ".." in reference or not reference.startswith("refs/"):
            return ""
        if (git / reference).is_file():
            digits = read_plain(git / reference, _MAX_BYTES).decode("ascii").strip()
            return digits if _DIGITS.fullmatch(digits) else ""
        for line in read_plain(git / "packed-refs", _MAX_BYTES).decode("utf-8", "replace").splitlines():
            digits, _, name = line.partition(" ")
            if name == reference and _DIGITS.fullmatch(digits):
                return digits
    except (OSError, ValueError):
        pass
    return ""
