"""Files as a tar archive, the form in which an engine takes them into a container."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping


def pack(files: Mapping[str, bytes], *, owner: int = 0, mode: int | Callable[[str], int] = 0o644) -> bytes:
    """The same archive for the same files in the same order; ``mode`` is that of each, or gives it by the name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.uid, entry.gid = len(content), owner, owner
            entry.mode = mode if isinstance(mode, int) else mode(name)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
