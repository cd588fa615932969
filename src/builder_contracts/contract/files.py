"""Looking for files: what may not be looked at is told, and never taken for absent. Writing them: whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from builder_contracts.errors import InputError, Location, Problem


def refusal(path: str | Path, error: OSError) -> InputError:
    """What the system said to a look at the path."""
    what = f"cannot be looked at: {error.strerror}"
    return InputError([Problem(Location(str(path), 1), what, "check the path and its permissions")])


def is_file(path: Path) -> bool:
    """Whether a file stands there. Raises InputError where nobody may look."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise refusal(path, error) from None


def entries(folder: Path) -> list[Path]:
    """What stands in a folder, nothing where there is no such folder. Raises InputError where nobody may look."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise refusal(folder, error) from None


def yaml_in(folder: Path) -> list[Path]:
    """The YAML files of a folder. Raises InputError where nobody may look."""
    return [path for path in entries(folder) if path.suffix == ".yaml"]


def write(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all. Raises OSError.

    What is no plain file, such as a link, a pipe and /dev/stdout, stays what it is and takes the content.
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
