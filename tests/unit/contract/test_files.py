"""What cannot be accessed is an error; reads are bounded and regular; what is written is whole or absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder_contracts.contract.files import is_file, list_folder, read_bytes, read_text, write, yaml_in
from builder_contracts.errors import InputError


def test_what_stands_there_and_what_does_not(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "d.json", "c.txt"):
        (tmp_path / name).touch()
    assert is_file(tmp_path / "a.yaml")
    assert [path.name for path in list_folder(tmp_path)] == ["a.yaml", "b.yml", "c.txt", "d.json"]
    assert [path.name for path in yaml_in(tmp_path)] == ["a.yaml", "b.yml", "d.json"]
    for absent in (tmp_path / "nowhere", tmp_path / "a.yaml" / "deeper"):
        assert not is_file(absent)
        assert list_folder(absent) == []
    assert not is_file(tmp_path)
    assert list_folder(tmp_path / "a.yaml") == []


def test_where_nobody_may_look_that_is_said(tmp_path: Path) -> None:
    # Nothing is forbidden to root, which tests may run as: the system refuses this name to everybody.
    for look in (is_file, list_folder, yaml_in):
        with pytest.raises(InputError, match="cannot access: File name too long"):
            look(tmp_path / ("a" * 300))


def test_reading_stops_one_byte_above_the_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"123456")
    assert read_bytes(tmp_path / "file", 3) == b"1234"
    assert read_text(tmp_path / "file", 6) == "123456"
    with pytest.raises(InputError, match=r"file: file exceeds 5 bytes"):
        read_text(tmp_path / "file", 5)


def test_a_huge_sparse_file_is_rejected_unread(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as stream:
        stream.truncate(3 << 30)
    with pytest.raises(InputError, match=r"file exceeds 1,000,000 bytes"):
        read_text(tmp_path / "huge", 1_000_000)


def test_what_is_no_regular_file_is_rejected_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InputError, match=r"cannot read: not a regular file\n +fix: pass a regular file"):
            read_bytes(path, 10)
    with pytest.raises(InputError, match=r"cannot read: Is a directory"):
        read_bytes(tmp_path, 10)


def test_a_pipe_from_the_shell_is_read() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"text")
    os.close(writer)
    try:
        assert read_text(Path(f"/dev/fd/{reader}"), 10) == "text"
    finally:
        os.close(reader)


def test_text_that_is_not_utf_8_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"good\nb\xffd\n")
    with pytest.raises(InputError, match=r"file:2: not UTF-8 text"):
        read_text(tmp_path / "file", 100)


def test_a_file_is_written_whole_with_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    for text in (b"first, and longer", b"second"):
        write(tmp_path / ("a" * 255), text)
    assert (tmp_path / ("a" * 255)).read_bytes() == b"second"
    assert (tmp_path / ("a" * 255)).stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert sorted(path.name[:5] for path in tmp_path.iterdir()) == ["aaaaa", "usual"]


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"before")
    for place in (
        tmp_path / "folder",
        tmp_path / "file" / "x",
        tmp_path / "nowhere" / "x",
        Path(),
        Path("/"),
    ):
        with pytest.raises(OSError, match="directory"):
            write(place, b"text")

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "file", b"text")
    assert (tmp_path / "file").read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_pipe_and_a_link_stay_what_they_are(tmp_path: Path) -> None:
    pipe, link, target = (tmp_path / name for name in ("pipe", "link", "target"))
    os.mkfifo(pipe)
    link.symlink_to(target)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for place in (pipe, link):
        write(place, b"text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert target.read_bytes() == b"text"
