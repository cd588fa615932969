"""Read the YAML and JSON of an archive, and nothing else of it: all that contracts consist of.

No file of an archive is written before the whole of it is read, so no name in it leads anywhere.
"""

from __future__ import annotations

import gzip
import io
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from builder_contracts.contract.files import SUFFIXES
from builder_contracts.errors import InputError
from builder_contracts.sources.address import refusal
from builder_contracts.sources.cache import Documents

MOST_COMPRESSED = 50_000_000
MOST_EXPANDED = 200_000_000
MOST_ENTRIES = 20_000

_SMALLER = "fetch a smaller archive: one with the contracts alone"


def is_document(path: str) -> bool:
    """Whether a file of a source is kept."""
    return path.endswith(SUFFIXES)


def read_archive(content: bytes, address: str) -> Documents:
    """The documents of a tar or zip archive. Raises InputError for one that nobody packs who means well."""
    reading = _Reading(address)
    try:
        if content.startswith(b"PK"):
            reading.zip(content)
        else:
            reading.tar(content)
    except InputError:
        raise
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError,
            NotImplementedError, RuntimeError) as error:  # fmt: skip
        message = f"this is not an archive that can be read: {str(error)[:200]}"
        raise refusal(address, message, "use a .tar.gz, .tar or .zip") from None
    return reading.linked()


@dataclass
class _Reading:
    """The documents of an archive so far, and the links that are named like one."""

    address: str
    documents: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    entries: int = 0
    expanded: int = 0

    def grow(self, size: int) -> None:
        self.expanded += size
        if self.expanded > MOST_EXPANDED:
            raise refusal(self.address, f"the archive expands to more than {MOST_EXPANDED:,} bytes", _SMALLER)

    def name(self, name: str) -> str:
        """The path of an entry inside the archive."""
        self.entries += 1
        if self.entries > MOST_ENTRIES:
            raise refusal(self.address, f"the archive has more than {MOST_ENTRIES:,} entries", _SMALLER)
        path = posixpath.normpath(name)
        outside = name.startswith("/") or ".." in name.split("/")
        if outside or (is_document(path) and not name.isprintable()):
            message = f"the archive has an entry named {name[:200]!r}, which leads out of it"
            raise refusal(self.address, message, "do not trust this source")
        if path in self.documents or path in self.links:
            raise refusal(self.address, f"the archive has {path!r} twice", "pack it again")
        return path

    def tar(self, content: bytes) -> None:
        packed = io.BytesIO(content)
        stream = gzip.GzipFile(fileobj=packed) if content.startswith(b"\x1f\x8b") else packed
        limited = _Limited(stream, self.grow)
        # A stream: what the tar itself says of sizes is read through the limit as well.
        with tarfile.open(fileobj=limited, mode="r|") as archive:  # type: ignore[call-overload] # only read() is called
            for member in archive:
                path = self.name(member.name)
                if member.isdev():
                    message = f"the archive has a device, {path!r}"
                    raise refusal(self.address, message, "do not trust this source")
                if not is_document(path):
                    continue
                if member.issym():
                    self.links[path] = posixpath.join(posixpath.dirname(path), member.linkname)
                elif member.islnk():
                    self.links[path] = member.linkname
                elif (file := archive.extractfile(member)) is not None:
                    self.documents[path] = file.read()

    def zip(self, content: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                path = self.name(entry.filename)
                mode = entry.external_attr >> 16
                if entry.is_dir() or not is_document(path):
                    continue
                if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise zipfile.BadZipFile(f"{path} is compressed in an unusual way")
                with archive.open(entry) as stream:
                    body = _Limited(stream, self.grow).read()
                if stat.S_ISLNK(mode):
                    self.links[path] = posixpath.join(
                        posixpath.dirname(path), body.decode("utf-8", "replace")
                    )
                else:
                    self.documents[path] = body

    def linked(self) -> Documents:
        """The documents, with those that a link stands for. Left out, a contract would never fail."""
        documents = dict(self.documents)
        for path in self.links:
            target = path
            for _ in self.links:
                target = posixpath.normpath(self.links.get(target, target))
            if target not in self.documents:
                message = f"{path!r} is a link to {self.links[path][:200]!r}, which is no YAML or JSON of the archive"
                raise refusal(self.address, message, "pack the file itself")
            documents[path] = self.documents[target]
        return documents


class _ByteStream(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class _Limited:
    """A stream that reports every byte that is read of it."""

    def __init__(self, stream: _ByteStream, grow: Callable[[int], None]) -> None:
        self._stream, self._grow = stream, grow

    def read(self, size: int = -1) -> bytes:
        return b"".join(self._chunks(size))

    def _chunks(self, size: int) -> Iterator[bytes]:
        while size:
            chunk = self._stream.read(1 << 16 if size < 0 else min(size, 1 << 16))
            if not chunk:
                return
            self._grow(len(chunk))
            size -= len(chunk) if size > 0 else 0
            yield chunk
