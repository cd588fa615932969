"""The control of a search: one archive that holds a random word once in every encoding and format."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import struct
import zipfile

from builder_contracts.prove.secrets.scanner import zstd
from builder_contracts.runner.file_archive import pack


def formats(word: str) -> dict[str, bytes]:
    """The word by the name of its encoding or format."""
    raw = f"planted {word}".encode()
    layer = gzip.compress(pack({"etc/planted": raw}))
    return {
        "plain": raw,
        "base64": base64.b64encode(raw),
        "hex": raw.hex().encode(),
        "gzip": gzip.compress(raw),
        "xz": lzma.compress(raw),
        "bzip2": bz2.compress(raw),
        "zstd": zstd.compress(raw),
        "tar": pack({"planted": raw}),
        "zip": _zip(raw),
        "nar": lzma.compress(nar(gzip.compress(raw))),
        "rpm": rpm(gzip.compress(raw)),
        "cpio": cpio({"planted": gzip.compress(raw)}),
        "image": pack({"layer.tar.gz": layer}),
    }


def planted(word: str) -> bytes:
    """All of them in one archive."""
    return pack(formats(word))


def _zip(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("planted", content)
    return buffer.getvalue()


def nar(content: bytes) -> bytes:
    """A Nix archive of a directory with one file."""
    words = (
        b"nix-archive-1", b"(", b"type", b"directory", b"entry", b"(", b"name", b"planted", b"node",
        b"(", b"type", b"regular", b"contents", content, b")", b")", b")",
    )  # fmt: skip
    return b"".join(struct.pack("<Q", len(word)) + word + bytes(-len(word) % 8) for word in words)


def cpio(files: dict[str, bytes]) -> bytes:
    """A "new ASCII" archive."""
    archive = b""
    for path, data in {**files, "TRAILER!!!": b""}.items():
        name = path.encode() + b"\0"
        fields = (0, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        archive += b"070701" + b"".join(b"%08x" % field for field in fields) + name
        archive += bytes(-len(archive) % 4) + data
        archive += bytes(-len(archive) % 4)
    return archive


def rpm(content: bytes) -> bytes:
    """A package of one file, whose size (tag 5008, type INT64) is in the header, as RPM 6 has it."""
    magic = b"\x8e\xad\xe8\x01" + bytes(4)
    signature = magic + struct.pack(">II", 0, 0)
    header = magic + struct.pack(">II4IQ", 1, 8, 5008, 5, 0, 1, len(content))
    payload = b"07070X00000000\0\0" + content + bytes(-len(content) % 4) + cpio({})
    return b"\xed\xab\xee\xdb".ljust(96, b"\0") + signature + header + bytes(zstd.compress(payload))
