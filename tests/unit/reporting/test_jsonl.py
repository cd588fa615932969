"""Evidence: lines that are whole or absent."""

from __future__ import annotations

import errno
import io
import json
import os
import threading
from dataclasses import replace
from io import FileIO
from pathlib import Path

import pytest

from builder_contracts.reporting.jsonl import FILE, JsonLines, PrintedLines, append, to_line
from builder_contracts.reporting.verdict_data import from_data
from builder_contracts.verdict import Verdict
from tests.unit.reporting.samples import INFO, KEPT, SAMPLE, SUMMARY


def write(path: Path, *verdicts: Verdict) -> None:
    lines = JsonLines(path)
    lines.begin(INFO)
    for verdict in verdicts:
        lines.add(verdict)
    lines.end(SUMMARY)


def read(path: Path) -> list[Verdict]:
    return [from_data(json.loads(line)) for line in path.read_bytes().split(b"\n")[:-1]]


def test_one_json_object_per_line(tmp_path: Path) -> None:
    odd = replace(SAMPLE, observation="line\nbreak \u2028 and ü")
    path = tmp_path / "new" / "folder" / FILE
    write(path, SAMPLE, odd)
    assert read(path) == [SAMPLE, odd]
    assert path.read_bytes().endswith(b"\n")
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in path.parent.iterdir()] == [FILE]


def test_lines_are_written_as_the_run_goes(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / FILE)
    lines.begin(INFO)
    lines.add(SAMPLE)
    assert read(tmp_path / FILE) == [SAMPLE]
    lines.add(KEPT)
    assert read(tmp_path / FILE) == [SAMPLE, KEPT]
    lines.abandon()


def test_second_run_joins_the_first(tmp_path: Path) -> None:
    write(tmp_path / FILE, SAMPLE)
    write(tmp_path / FILE, KEPT)
    assert read(tmp_path / FILE) == [SAMPLE, KEPT]


def test_run_without_verdicts_makes_no_file(tmp_path: Path) -> None:
    write(tmp_path / FILE)
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("half", [b'{"schema": "bu', b"x" * 10_000, b'{"a": 1}\n{"b"'])
def test_half_line_of_a_killed_run_is_removed(tmp_path: Path, half: bytes) -> None:
    path = tmp_path / FILE
    path.write_bytes(half)
    write(path, SAMPLE)
    whole = half[: half.rfind(b"\n") + 1]
    assert path.read_bytes() == whole + to_line(SAMPLE)


def test_whole_line_without_an_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes(to_line(SAMPLE).rstrip())
    write(path, KEPT)
    assert read(path) == [SAMPLE, KEPT]


class FullDisk(FileIO):
    """Takes a few bytes of a line, then has no space left."""

    def write(self, data: object) -> int:
        super().write(bytes(data)[:10])  # type: ignore[call-overload]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    path = tmp_path / FILE
    write(path, SAMPLE)
    before = path.read_bytes()
    with FullDisk(path, "a+") as file, pytest.raises(OSError, match="No space left"):
        append(file, to_line(KEPT))
    assert path.read_bytes() == before


def test_runs_side_by_side_keep_all_lines_whole(tmp_path: Path) -> None:
    path = tmp_path / FILE
    verdicts = [replace(SAMPLE, observation=str(number) * 5000) for number in range(4)]
    threads = [threading.Thread(target=write, args=(path, *[verdict] * 25)) for verdict in verdicts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(verdict.observation for verdict in read(path)) == sorted(
        verdict.observation for verdict in verdicts * 25
    )


def test_pipe_takes_lines(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write(pipe, SAMPLE)
    assert os.read(reader, 1 << 16) == to_line(SAMPLE)
    os.close(reader)


def test_lines_on_standard_output() -> None:
    stream = io.StringIO()
    lines = PrintedLines(stream)
    lines.begin(INFO)
    lines.add(SAMPLE)
    lines.end(SUMMARY)
    assert stream.getvalue().encode() == to_line(SAMPLE)
