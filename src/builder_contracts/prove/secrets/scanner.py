"""Search directories for secrets in every encoding, inside archives and compressed members.

It is a module of the package and, sent as text, a program in a container, so it must not import this package. Its
arguments are a JSON list of secrets and the directories; its output is one JSON object, see ``report``.
"""

from __future__ import annotations

import base64
import bz2
import contextlib
import gzip
import io
import json
import lzma
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

try:
    from compression import zstd as zstd  # Python 3.14
except ImportError:
    from backports import zstd as zstd

# A member that grows beyond this is cut: enough for every artifact here, too little for a bomb.
MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 6

UNDECODED = "undecoded"
"""In the place of an encoding: what is at that place could not be looked into."""

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


class Undecodable(Exception):
    """Content of a known format that cannot be decoded, or not to its end."""


def search(place: str, content: bytes, needles: dict[bytes, str], depth: int = 0) -> Iterator[Hit]:
    """Yield every place in the content that has a needle, or that is undecoded, including its members."""
    for needle, encoding in needles.items():
        if needle in content:
            yield place, encoding
    try:
        for name, member in members(content):
            if depth == MAX_DEPTH:
                raise Undecodable(f"nested more than {MAX_DEPTH} deep")
            yield from search(f"{place}!{name}", member, needles, depth + 1)
    except Undecodable as error:
        yield f"{place}: {error}", UNDECODED


def members(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what is inside: the decompressed content, or the files of an archive. Raises Undecodable at the end."""
    for magic, offset, unpack in _FORMATS:
        if content.startswith(magic, offset):
            yield from unpack(content)
            return
    for magic, name in _OPAQUE.items():
        if content.startswith(magic):
            raise Undecodable(name)
    # Two bytes that begin many a text, so what is not zlib is no failure.
    if content[:1] == b"\x78" and len(content) > 2 and int.from_bytes(content[:2], "big") % 31 == 0:
        with contextlib.suppress(zlib.error):
            yield "zlib", zlib.decompressobj().decompress(content, MAX_BYTES)


def _read(name: str, stream: Any) -> Iterator[tuple[str, bytes]]:
    """Yield what a stream holds, as far as it can be read."""
    content, reason = bytearray(), ""
    try:
        while len(content) <= MAX_BYTES and (chunk := stream.read1(1 << 20)):
            content += chunk
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error, zstd.ZstdError) as error:
        reason = f"{name} is damaged ({error})"
    if len(content) > MAX_BYTES:
        reason = f"{name} holds more than {MAX_BYTES} bytes"
    yield name, bytes(content[:MAX_BYTES])
    if reason:
        raise Undecodable(reason)


def _gzip(content: bytes) -> Iterator[tuple[str, bytes]]:
    yield from _read("gzip", gzip.GzipFile(fileobj=io.BytesIO(content)))


def _xz(content: bytes) -> Iterator[tuple[str, bytes]]:
    with lzma.LZMAFile(io.BytesIO(content)) as stream:
        yield from _read("xz", stream)


def _bzip2(content: bytes) -> Iterator[tuple[str, bytes]]:
    yield from _read("bzip2", bz2.BZ2File(io.BytesIO(content)))


def _zstd(content: bytes) -> Iterator[tuple[str, bytes]]:
    yield from _read("zstd", zstd.ZstdFile(io.BytesIO(content)))


def _zip(content: bytes) -> Iterator[tuple[str, bytes]]:
    reasons = []
    try:
        packed = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise Undecodable(f"zip is damaged ({error})") from None
    for entry in packed.infolist():
        try:
            with packed.open(entry) as stream:
                yield from _read(entry.filename, stream)
        # Encrypted, compressed in another way, or with a header that contradicts the list.
        except (Undecodable, RuntimeError, NotImplementedError, zipfile.BadZipFile, OSError) as error:
            reasons.append(f"{entry.filename} in zip ({error})")
    if reasons:
        raise Undecodable(reasons[0])


def _tar(content: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as packed:
            for entry in packed:
                stream = packed.extractfile(entry) if entry.isreg() else None
                if stream is not None:
                    yield from _read(entry.name, stream)
            end = packed.offset
    except (tarfile.TarError, OSError, ValueError, KeyError) as error:
        raise Undecodable(f"tar is damaged ({error})") from None
    if content[end:].strip(b"\0"):
        raise Undecodable("tar is followed by something else")


def _nar(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Walk the strings of a Nix archive: a length of eight bytes, and padding to eight.

    Source: the Nix manual, "Nix Archive (NAR) format".
    """
    name = previous = b""
    offset = 0
    while offset < len(content):
        size = int.from_bytes(content[offset : offset + 8], "little")
        end = offset + 8 + size
        if end > len(content):
            raise Undecodable("nar is cut short")
        text = content[offset + 8 : end]
        if previous == b"name":
            name, text = text, b""
        elif previous == b"contents":
            yield name.decode("utf-8", "replace") or "nar", text
            text = b""
        previous, offset = text, end + -size % 8


def _rpm(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Skip the lead and the signature; the header has the sizes of the files in the payload.

    Sources: the RPM manual, "RPM V4 Package format", and rpm's lib/cpio.cc for payloads without headers.
    """
    offset, sizes = 96, ()
    try:
        for _ in range(2):
            # The signature is padded to eight bytes, and so the header begins at a multiple of eight.
            offset += -offset % 8
            magic, entries, size = struct.unpack_from(">3s5xII", content, offset)
            if magic != b"\x8e\xad\xe8":
                raise Undecodable("rpm is damaged (no header)")
            index, offset = offset + 16, offset + 16 + 16 * entries + size
            for entry in range(entries):
                tag, _, place, count = struct.unpack_from(">4I", content, index + 16 * entry)
                if tag in _FILE_SIZES:
                    store = index + 16 * entries
                    sizes = struct.unpack_from(f">{count}{_FILE_SIZES[tag]}", content, store + place)
    except struct.error:
        raise Undecodable("rpm is cut short") from None
    payload = content[offset:]
    yield "payload", payload
    for _, packed in members(payload):
        if packed.startswith(b"07070X"):
            yield from _bare_cpio(packed, sizes)


_FILE_SIZES = {1028: "I", 5008: "Q"}
"""The tags FILESIZES and LONGFILESIZES of RPM, with the type of their numbers."""


def _bare_cpio(content: bytes, sizes: tuple[int, ...]) -> Iterator[tuple[str, bytes]]:
    """Walk a payload whose files have a number of eight digits in place of a header."""
    offset = 0
    while content.startswith(b"07070X", offset):
        try:
            number = int(content[offset + 6 : offset + 14], 16)
            start, size = offset + 16, sizes[number]
        except (ValueError, IndexError):
            break
        yield f"file {number}", content[start : start + size]
        offset = start + size + -size % 4
    if not content.startswith(b"070701", offset):
        raise Undecodable("payload of rpm is damaged")


def _cpio(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Walk a "new ASCII" archive: a header of 110 characters, the name, the file, each padded to four bytes.

    Source: cpio(5).
    """
    offset = 0
    while content[offset : offset + 6] in (b"070701", b"070702"):
        try:
            size, name_size = (int(content[offset + at : offset + at + 8], 16) for at in (54, 94))
        except ValueError:
            break
        start = offset + 110 + name_size
        name = content[offset + 110 : start - 1]
        if name == b"TRAILER!!!":
            return
        start += -start % 4
        yield name.decode("utf-8", "replace"), content[start : start + size]
        offset = start + size + -(start + size) % 4
    raise Undecodable("cpio is damaged")


_FORMATS: tuple[tuple[bytes, int, Callable[[bytes], Iterator[tuple[str, bytes]]]], ...] = (
    (b"\x1f\x8b\x08", 0, _gzip),
    (b"\xfd7zXZ\0", 0, _xz),
    (b"\x28\xb5\x2f\xfd", 0, _zstd),
    (b"PK\x03\x04", 0, _zip),
    (b"ustar", 257, _tar),
    (b"\x0d\0\0\0\0\0\0\0nix-archive-1\0\0\0", 0, _nar),
    (b"\xed\xab\xee\xdb", 0, _rpm),
    (b"070701", 0, _cpio),
    (b"070702", 0, _cpio),
    *((b"BZh%d1AY&SY" % level, 0, _bzip2) for level in range(1, 10)),
)
"""How each format begins, at which offset, and its decoder."""

_OPAQUE = {
    b"\x04\x22\x4d\x18": "lz4",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"LZIP\x01": "lzip",
    b"\x1f\x9d": "compress",
    b"!<arch>\ndebian-binary": "deb",
    b"hsqs": "squashfs",
    b"age-encryption.org/": "age",
}
"""Formats that hide what they hold from a search, and that nothing here decodes."""


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
