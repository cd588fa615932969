"""Search directories for secrets in every encoding, inside archives and compressed members.

It is a module of the package and, sent as text, a program in a container, so it must not import this package. Its
arguments are a JSON list of secrets and the directories; its output is one JSON object, see ``report``.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

# A member that grows beyond this is cut: enough for every artifact here, too little for a bomb.
MAX_BYTES = 256 * 1024 * 1024
MAX_DEPTH = 6

Hit = tuple[str, str]
"""A place (path, with members after ``!``) and an encoding."""


def encodings(secret: str) -> dict[bytes, str]:
    """Return the encodings of a secret by their bytes: plain, hex and base64. A reversed secret is not among them."""
    raw = secret.encode()
    encoded = {raw: "plain", raw.hex().encode(): "hex", raw.hex().upper().encode(): "hex"}
    for shift in range(3):
        # Inside a longer base64 text the secret starts at any of three bit positions; the characters that
        # depend on its neighbours are cut off at both ends.
        text = base64.b64encode(b"\0" * shift + raw)
        whole = text[(0, 2, 3)[shift] : len(text) - (0, 3, 2)[(len(raw) + shift) % 3]]
        encoded[whole] = "base64"
        encoded[whole.translate(bytes.maketrans(b"+/", b"-_"))] = "base64"
    return {needle: name for needle, name in encoded.items() if len(needle) >= 8}


def search(place: str, content: bytes, needles: dict[bytes, str], depth: int = 0) -> Iterator[Hit]:
    """Yield every place in the content that has a needle, including its members."""
    for needle, encoding in needles.items():
        if needle in content:
            yield place, encoding
    if depth >= MAX_DEPTH:
        return
    for name, member in members(content):
        yield from search(f"{place}!{name}", member, needles, depth + 1)


def members(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what is inside: the decompressed content, or the files of an archive. Corrupt archives yield nothing."""
    if content[:2] == b"\x1f\x8b":
        yield from _unpacked("gzip", content)
    elif content[:6] == b"\xfd7zXZ\0":
        yield from _unpacked("xz", content)
    elif content[:3] == b"BZh":
        yield from _unpacked("bzip2", content)
    elif content[:4] == b"\x28\xb5\x2f\xfd":
        yield from _unpacked("zstd", content)
    elif content[:4] == b"PK\x03\x04":
        yield from _zip(content)
    elif content[257:262] == b"ustar":
        yield from _tar(content)
    elif content[:1] == b"\x78" and len(content) > 2 and int.from_bytes(content[:2], "big") % 31 == 0:
        yield from _unpacked("zlib", content)


def _unpacked(kind: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        if kind == "gzip":
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
                yield kind, stream.read(MAX_BYTES)
        elif kind == "zlib":
            yield kind, zlib.decompressobj().decompress(content, MAX_BYTES)
        elif kind == "zstd":
            from compression import zstd  # Python 3.14

            yield kind, zstd.decompress(content)[:MAX_BYTES]
        else:
            opener = lzma.LZMAFile if kind == "xz" else bz2.BZ2File
            with opener(io.BytesIO(content)) as packed:
                yield kind, packed.read(MAX_BYTES)
    except (OSError, EOFError, lzma.LZMAError, zlib.error, ImportError):
        return


def _zip(content: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for entry in packed.infolist():
                with packed.open(entry) as stream:
                    yield entry.filename, stream.read(MAX_BYTES)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, zlib.error):
        return


def _tar(content: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as packed:
            for entry in packed:
                stream = packed.extractfile(entry) if entry.isfile() else None
                if stream is not None:
                    yield entry.name, stream.read(MAX_BYTES)
    except (tarfile.TarError, OSError):
        return


def report(secrets: list[str], folders: list[str]) -> dict[str, object]:
    """Search folders, and report the extent and the hits: {"items", "bytes", "leaks": [[place, encoding]]}."""
    needles = {needle: name for secret in secrets for needle, name in encodings(secret).items()}
    items = size = 0
    leaks: list[Hit] = []
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and not path.is_symlink():
                try:
                    content = path.read_bytes()
                except FileNotFoundError:
                    # An upload on its way is renamed when it is complete.
                    continue
                items, size = items + 1, size + len(content)
                leaks += search(str(path), content, needles)
    return {"items": items, "bytes": size, "leaks": leaks}


if __name__ == "__main__":
    json.dump(report(json.loads(sys.argv[1]), sys.argv[2:]), sys.stdout)
