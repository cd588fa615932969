"""Read regular files up to a limit, and write files atomically. An unreadable file is an error, never missing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from builder_contracts.errors import InputError, Location, Problem

SUFFIXES = (".yaml", ".yml", ".json")
"""How names of documents end; JSON is YAML."""

# What a shell hands over, such as <(command): its other end is open already, so reading cannot wait for one.
_HANDED_OVER = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")


def refusal(path: str | Path, error: OSError) -> InputError:
    """The system's reason why a path cannot be accessed."""
    message = f"cannot access: {error.strerror}"
    return InputError([Problem(Location(str(path)), message, "check the path and its permissions")])


def is_file(path: Path) -> bool:
    """Whether the path is a regular file. Raises InputError if it cannot be accessed."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise refusal(path, error) from None


def is_empty(path: Path) -> bool:
    """Whether a regular file has no content. Raises InputError if it cannot be accessed."""
    return is_file(path) and not read_bytes(path, 1000).strip()


def list_folder(folder: Path) -> list[Path]:
    """The entries of a directory, none if it does not exist. Raises InputError if it cannot be accessed."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise refusal(folder, error) from None


def yaml_in(folder: Path) -> list[Path]:
    """The YAML and JSON files of a directory. Raises InputError if it cannot be accessed."""
    return [path for path in list_folder(folder) if path.suffix in SUFFIXES]


def read_bytes(path: Path, limit: int, name: str = "") -> bytes:
    """At most ``limit + 1`` bytes of a regular file: a length above ``limit`` says that there are more.

    ``name`` is the file's name in messages. Raises InputError.
    """
    source = Location(name or str(path))
    handed_over = str(path).startswith(_HANDED_OVER)

    def opener(file: str, flags: int) -> int:
        # Opening a pipe that nobody writes to, such as one among the environments, would wait for a writer.
        return os.open(file, flags if handed_over else flags | os.O_NONBLOCK)

    try:
        with open(path, "rb", opener=opener) as stream:
            if not handed_over and not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise InputError([Problem(source, "cannot read: not a regular file", "pass a regular file")])
            return stream.read(limit + 1)
    except OSError as error:
        fix = "check the path and its permissions"
        raise InputError([Problem(source, f"cannot read: {error.strerror}", fix)]) from None


def read_text(path: Path, limit: int) -> str:
    """The text of a regular file of at most ``limit`` bytes. Raises InputError."""
    raw = read_bytes(path, limit)
    if len(raw) > limit:
        message = f"file exceeds {limit:,} bytes"
        raise InputError([Problem(Location(str(path)), message, "check that this is the right file")])
    return decode(raw, str(path))


def decode(raw: bytes, name: str) -> str:
    """The bytes as text; ``name`` is the file's name in messages. Raises InputError."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            [Problem(Location(name, line), "not UTF-8 text", "save the file as UTF-8")]
        ) from None


def write(path: Path, content: bytes) -> None:
    """Write a file atomically. Raises OSError.

    A path that is not a plain file, such as a link, a pipe or /dev/stdout, is kept, and receives the content.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.write_bytes(content)
        return
    partial = path.parent / f".{os.urandom(8).hex()}.partial"
    with partial.open("xb") as stream:
        try:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
