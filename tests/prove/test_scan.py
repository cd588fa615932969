"""The search for secrets finds every spelling in every wrapping, and nothing where there is nothing."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.prove.secrets.scanner import encodings, report, search

SECRET = "7f3a9c51e0b24d68a1b2c3d4e5f60718"


def tarred(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        entry = tarfile.TarInfo("inner/file")
        entry.size = len(content)
        packed.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("inner/file", content)
    return buffer.getvalue()


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zlib": zlib.compress,
    "tar": tarred,
    "zip": zipped,
    "layer in a saved image": lambda content: tarred(gzip.compress(tarred(content))),
    "nar": lambda content: lzma.compress(b"\x0d\0\0\0nix-archive-1" + content),
}
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "hex": lambda raw: raw.hex().encode(),
    "upper hex": lambda raw: raw.hex().upper().encode(),
    "base64": base64.b64encode,
    "url base64": base64.urlsafe_b64encode,
}


def hits(content: bytes) -> list[tuple[str, str]]:
    return list(search("file", content, encodings(SECRET)))


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("coding", CODINGS)
def test_secret_is_found(wrapping: str, coding: str) -> None:
    assert hits(WRAPPINGS[wrapping](b"before " + CODINGS[coding](SECRET.encode()) + b" after"))


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_secret_is_found_anywhere_in_base64_text(before: bytes, after: bytes) -> None:
    assert hits(base64.b64encode(before + SECRET.encode() + after))


@given(st.binary(max_size=400))
def test_any_content_without_a_secret_has_no_hit(content: bytes) -> None:
    assert not hits(content)
    for wrap in WRAPPINGS.values():
        assert not hits(wrap(content))


@pytest.mark.parametrize(
    "magic", [b"\x1f\x8b", b"\xfd7zXZ\0", b"BZh", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"\x78\x9c"]
)
def test_broken_archives_are_searched_as_bytes(magic: bytes) -> None:
    assert not hits(magic + b"garbage")
    assert hits(magic + SECRET.encode())


def test_report_names_file_member_and_encoding(tmp_path: Path) -> None:
    (tmp_path / "log.gz").write_bytes(gzip.compress(SECRET.encode()))
    (tmp_path / "clean").write_text("nothing")
    result = report([SECRET], [str(tmp_path)])
    assert result["items"] == 2
    assert result["leaks"] == [(f"{tmp_path}/log.gz!gzip", "plain")]
