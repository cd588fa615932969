"""Evidence: one verdict per line, written during the run. A later run appends to the file."""

from __future__ import annotations

import fcntl
import json
import os
from io import FileIO
from pathlib import Path
from typing import TextIO

from builder_contracts.reporting.stream import RunInfo, RunSummary
from builder_contracts.reporting.verdict_data import to_data
from builder_contracts.verdict import Verdict

FILE = "evidence.jsonl"
"""Name of the file in a folder of evidence."""

_BLOCK = 4096


def to_line(verdict: Verdict) -> bytes:
    """The verdict as one line."""
    return json.dumps(to_data(verdict), ensure_ascii=False).encode() + b"\n"


class JsonLines:
    """Appends lines atomically, even if the disk is full or the run is killed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None

    def begin(self, info: RunInfo) -> None:
        pass

    def add(self, verdict: Verdict) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # A pipe or /dev/stdout takes what it is given, and nothing of it can be read back.
            whole = self._path.is_file() or not self._path.exists()
            self._file = FileIO(self._path, "a+" if whole else "a")
        append(self._file, to_line(verdict))

    def end(self, summary: RunSummary) -> None:  # noqa: ARG002 # every report ends alike
        self.abandon()

    def abandon(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class PrintedLines:
    """The same on standard output."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def begin(self, info: RunInfo) -> None:
        pass

    def add(self, verdict: Verdict) -> None:
        self._stream.write(to_line(verdict).decode())
        self._stream.flush()

    def end(self, summary: RunSummary) -> None:
        pass

    def abandon(self) -> None:
        pass


def append(file: FileIO, line: bytes) -> None:
    """Append a line. Raises OSError, and then a file is as it was before."""
    if not file.readable():
        _write(file, line)
        return
    # Two runs can write to one file, so each line is written under a lock.
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        size = _end_last_line(file)
        try:
            _write(file, line)
        except BaseException:
            file.truncate(size)
            raise
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _write(file: FileIO, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]


def _end_last_line(file: FileIO) -> int:
    """Remove what a killed run wrote of its last line, or end a whole one; the size of the file then."""
    size = end = file.seek(0, os.SEEK_END)
    while end > 0:
        begin = max(0, end - _BLOCK)
        file.seek(begin)
        newline = file.read(end - begin).rfind(b"\n")
        end = begin + newline + 1
        if newline >= 0:
            break
    if end == size:
        return size
    file.seek(end)
    try:
        json.loads(file.read(size - end))
    except ValueError:
        file.truncate(end)
        return end
    _write(file, b"\n")
    return size + 1
