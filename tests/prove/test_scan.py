"""The search for secrets finds every encoding in every format, and says what it could not look into."""

from __future__ import annotations

import base64
import gzip
import lzma
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.prove.secrets import scanner
from builder_contracts.prove.secrets.control import cpio, formats, nar, planted, rpm
from builder_contracts.prove.secrets.scanner import MAX_DEPTH, UNDECODED, encodings, report, search, zstd
from builder_contracts.runner.file_archive import pack

SECRET = "7f3a9c51e0b24d68a1b2c3d4e5f60718"
FORMATS = tuple(formats(""))
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "hex": lambda raw: raw.hex().encode(),
    "upper hex": lambda raw: raw.hex().upper().encode(),
    "base64": base64.b64encode,
    "url base64": base64.urlsafe_b64encode,
}


def hits(content: bytes) -> list[tuple[str, str]]:
    return [hit for hit in search("file", content, encodings(SECRET)) if hit[1] != UNDECODED]


def undecoded(content: bytes) -> list[str]:
    return [place for place, encoding in search("file", content, encodings(SECRET)) if encoding == UNDECODED]


@pytest.mark.parametrize("name", [*FORMATS, "zlib"])
@pytest.mark.parametrize("coding", CODINGS)
def test_secret_is_found(name: str, coding: str) -> None:
    text = f"before {CODINGS[coding](SECRET.encode()).decode()} after"
    content = zlib.compress(text.encode()) if name == "zlib" else formats(text)[name]
    # An encoding of an encoding is another question.
    if coding == "plain" or name not in ("base64", "hex"):
        assert hits(content)
        assert hits(pack({"inner": gzip.compress(content)}))
    assert not undecoded(content)


def test_planted_word_is_found_once_in_each_format() -> None:
    places = [place.split("!")[1] for place, _ in hits(planted(SECRET)) if "!" in place]
    assert set(places) == set(FORMATS)


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_secret_is_found_anywhere_in_base64_text(before: bytes, after: bytes) -> None:
    assert hits(base64.b64encode(before + SECRET.encode() + after))


@given(st.text(max_size=100))
def test_any_text_without_a_secret_has_no_hit(text: str) -> None:
    content = planted(text)
    assert not hits(content)
    assert not undecoded(content)


@given(st.sampled_from(FORMATS), st.data())
def test_archive_that_is_cut_is_undecoded(name: str, data: st.DataObject) -> None:
    """A cut may fall into padding, or hit a text; then nothing of the secret is lost."""
    content = formats(SECRET)[name]
    cut = content[: data.draw(st.integers(600, len(content) - 1))] if len(content) > 601 else content[:-5]
    assert hits(cut) or undecoded(cut) or name in ("plain", "base64", "hex")


def encrypted_zip() -> bytes:
    """An archive whose list says that its file is encrypted."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("inner", "words")
    content = bytearray(buffer.getvalue())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def deep(levels: int) -> bytes:
    content = SECRET.encode()
    for _ in range(levels):
        content = gzip.compress(content)
    return content


UNREADABLE = {
    "damaged gzip": (b"\x1f\x8b\x08 no archive", "gzip is damaged"),
    "cut xz": (lzma.compress(bytes(range(256)) * 9)[:-20], "xz is damaged"),
    "damaged zstd": (b"\x28\xb5\x2f\xfd no archive", "zstd is damaged"),
    "cut zstd": (zstd.compress(bytes(range(256)) * 9)[:-5], "zstd is damaged"),
    "damaged bzip2": (b"BZh91AY&SY no archive", "bzip2 is damaged"),
    "damaged zip": (b"PK\x03\x04 no archive", "zip is damaged"),
    "encrypted zip": (encrypted_zip(), "is encrypted, password required"),
    "cut tar": (pack({"a": bytes(5000)})[:3000], "tar is damaged"),
    "tar and more": (pack({"a": b"b"}) + b"more", "tar is followed by something else"),
    "cut nar": (nar(b"words")[:-9], "nar is cut short"),
    "rpm without headers": (b"\xed\xab\xee\xdb".ljust(200, b"\0"), "rpm is damaged"),
    "rpm without payload": (rpm(b"")[:110], "rpm is cut short"),
    "cut cpio": (cpio({"a": b"words"})[:-124], "cpio is damaged"),
    "payload of rpm without a size": (
        rpm(b"words").replace(b"\0\0\x13\x90", b"\0\0\x13\x91"),
        "payload of rpm is damaged",
    ),
    "cpio with nonsense": (b"070701" + b"x" * 200, "cpio is damaged"),
    "lz4": (b"\x04\x22\x4d\x18 words", "lz4"),
    "deb": (b"!<arch>\ndebian-binary", "deb"),
    "too deep": (deep(MAX_DEPTH + 1), f"nested more than {MAX_DEPTH} deep"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_undecoded_content_is_named(name: str) -> None:
    content, reason = UNREADABLE[name]
    (place,) = undecoded(content)
    assert reason in place
    # Its bytes are searched all the same.
    assert hits(content[:4] + SECRET.encode()) == [("file", "plain")]


def test_nested_as_deep_as_promised_is_found() -> None:
    assert hits(deep(MAX_DEPTH))
    assert not undecoded(deep(MAX_DEPTH))


def test_what_precedes_the_damage_is_searched() -> None:
    content = gzip.compress(SECRET.encode() + bytes(range(256)) * 1000)
    assert hits(content[:-8]) == [("file!gzip", "plain")]
    assert undecoded(content[:-8])


def test_member_that_grows_too_large_is_undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "MAX_BYTES", 1000)
    (place,) = undecoded(gzip.compress(bytes(1001)))
    assert "holds more than 1000 bytes" in place
    assert not undecoded(gzip.compress(bytes(1000)))


def test_file_named_contents_in_a_nar_is_a_name() -> None:
    content = nar(gzip.compress(SECRET.encode())).replace(
        b"\x07\0\0\0\0\0\0\0planted\0", b"\x08\0\0\0\0\0\0\0contents"
    )
    assert hits(content) == [("file!contents!gzip", "plain")]


def test_archive_of_a_real_program_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(gzip.compress(SECRET.encode()))
    subprocess.run(["/bin/tar", "-cf", "out.tar", "secret"], cwd=tmp_path, check=True)
    content = (tmp_path / "out.tar").read_bytes()
    assert hits(content) == [("file!secret!gzip", "plain")]
    assert not undecoded(content)


def test_report_names_file_member_and_encoding(tmp_path: Path) -> None:
    (tmp_path / "log.gz").write_bytes(gzip.compress(SECRET.encode()))
    (tmp_path / "clean").write_text("nothing")
    result = report([SECRET], [str(tmp_path)])
    assert result["items"] == 2
    assert result["leaks"] == [(f"{tmp_path}/log.gz!gzip", "plain")]
