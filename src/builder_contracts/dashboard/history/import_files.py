"""Import the report files of runs into a history."""

from __future__ import annotations

import gc
import hashlib
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context, parent_process
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO

from builder_contracts.dashboard.history import evidence_reader, junit_reader
from builder_contracts.dashboard.history.result import Result
from builder_contracts.dashboard.history.store import History, ImportBatch
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.redaction import Redactor, hide_forms

_MANY = 64
"""From so many files on, reading them in several processes costs less than starting those."""

_SHARE = 8
_RESULTS_A_COMMIT = 5_000
# The fields of a result that hold sentences, or what an engine or a tool said.
_SPOKEN_FIELDS = (
    "promised",
    "seen",
    "likely",
    "look",
    "why",
    "source",
    "image",
    "engine",
    "host",
    "identity",
)
_SPOKEN = attrgetter(*_SPOKEN_FIELDS)


@dataclass(frozen=True)
class ImportDefaults:
    """Settings of an import: names for values that the files do not state.

    ``started`` (milliseconds since 1970, UTC) is for files that state no time; without it their
    modification time is used.
    """

    environment: str = "default"
    builder: str = ""
    started: int | None = None


@dataclass
class ImportSummary:
    """Counts of new files, of files already present and of results, and the problems of skipped files.

    ``flags`` are what is odd in new files and cost no verdict.

    Of files without a time, ``undated`` took their modification time, and ``repeated`` are identical to a
    file already present.
    """

    new: int = 0
    already_present: int = 0
    results: int = 0
    undated: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    flags: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def add_files(
    history: History,
    files: Sequence[Path],
    reading: ImportDefaults,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> ImportSummary:
    """Add JUnit (``.xml``) and evidence (``.jsonl``) files. An unusable file is skipped as a whole.

    ``progress`` gets the number of files that are safely stored. Raises HistoryError.
    """
    done = ImportSummary()
    waiting: list[ImportBatch] = []
    undated: dict[str, bytes] = {}
    seen = 0

    def commit() -> None:
        for batch in _commit_batches(history, waiting, done):
            done.new += 1
            done.results += len(batch.results)
            done.flags += batch.flags
            if undated.pop(batch.name, None):
                done.undated.append(batch.name)
        done.repeated += [name for name, digest in undated.items() if history.has_file(digest)]
        waiting.clear()
        undated.clear()
        progress(seen)

    for outcome in _read_all(files, reading):
        seen += 1
        if isinstance(outcome, InputError):
            done.problems += outcome.problems
        else:
            batch, guessed = outcome
            if guessed:
                undated[batch.name] = batch.digest
            waiting.append(batch)
        if sum(len(batch.results) for batch in waiting) >= _RESULTS_A_COMMIT:
            commit()
    commit()
    done.already_present = seen - done.new - len({problem.source.file for problem in done.problems})
    return done


def _commit_batches(
    history: History, batches: Sequence[ImportBatch], done: ImportSummary
) -> Iterator[ImportBatch]:
    try:
        yield from history.add(batches)
    except InputError:
        # One of them is invalid: adding each alone shows which.
        for batch in batches:
            try:
                yield from history.add([batch])
            except InputError as error:
                done.problems += error.problems


_Outcome = tuple[ImportBatch, bool] | InputError


def _read_all(files: Sequence[Path], reading: ImportDefaults) -> Iterator[_Outcome]:
    workers = len(os.sched_getaffinity(0))
    if len(files) < _MANY or workers == 1:
        yield from (read_file(path, reading) for path in files)
        return
    # Forked workers would share this process's database connection, and a fork server keeps a directory,
    # which stays if this process is killed.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_end_with_parent) as pool:
        shares = (files[at : at + _SHARE] for at in range(0, len(files), _SHARE))
        under_way = deque(pool.submit(_read_share, share, reading) for share in islice(shares, 2 * workers))
        try:
            while under_way:
                yield from under_way.popleft().result()
                # A bounded number at a time: results must not pile up while they are written.
                under_way.extend(pool.submit(_read_share, share, reading) for share in islice(shares, 1))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """A worker ignores interrupts, which the parent handles, and ends with a killed parent."""
    # Nearly all that it makes is kept or freed at once; to search through it takes a tenth of its time.
    gc.set_threshold(100_000)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _read_share(files: Sequence[Path], reading: ImportDefaults) -> list[_Outcome]:
    return [read_file(path, reading) for path in files]


def read_file(path: Path, reading: ImportDefaults) -> _Outcome:
    """The file as a batch and whether its time is a guess, or its error."""
    # A report can be downloaded twice: neither its directory nor its modification time makes it another file. The
    # names given to its results do, and the time given to a file without one.
    name, environment, builder = (
        _decode_name(path),
        _decode_name(reading.environment),
        _decode_name(reading.builder),
    )
    flags: list[Problem] = []
    digest = hashlib.sha256(f"{environment}\0{builder}\0".encode())
    try:
        with path.open("rb") as stream:
            changed = os.fstat(stream.fileno()).st_mtime_ns // 1_000_000
            bytes_read = _Digesting(stream, digest)
            if path.suffix == ".jsonl":
                results = evidence_reader.read(bytes_read, name)
            else:
                results = junit_reader.read(
                    bytes_read, name, environment=environment, builder=builder, flag=flags.append
                )
    except InputError as error:
        return error
    except OSError as error:
        mend = "pass a file that the current user can read"
        return InputError([Problem(Location(name, 1), f"cannot read: {error.strerror}", mend)])
    undated = any(result.started is None for result in results)
    if undated:
        started = changed
        if reading.started is not None:
            started = reading.started
            digest.update(f"\0{started}".encode())
        results = [
            result if result.started is not None else result._replace(started=started) for result in results
        ]
    results = _redact_results(results)
    return ImportBatch(digest.digest(), name, results, flags), undated and reading.started is None


def _redact_results(results: list[Result]) -> list[Result]:
    """Results without secrets: a report may be of a release, or of a program, that hid fewer."""
    # A file says the same few texts again and again.
    texts = {text for result in results for text in (*_SPOKEN(result), *result.witnesses)}
    if all(hide_forms(text) == text for text in texts):
        return results
    redactor = Redactor()
    for text in texts:
        redactor.learn_text(text)
    redacted = {text: hidden for text in texts if (hidden := redactor.redact(text)) != text}
    return [_replaced(result, redacted) for result in results]


def _replaced(result: Result, redacted: Mapping[str, str]) -> Result:
    changes: dict[str, Any] = {
        name: redacted[text] for name in _SPOKEN_FIELDS if (text := getattr(result, name)) in redacted
    }
    return result._replace(
        **changes, witnesses=tuple(redacted.get(witness, witness) for witness in result.witnesses)
    )


def _decode_name(given: str | Path) -> str:
    """A name from the command line as text; bytes that are not UTF-8 are escaped."""
    return os.fsencode(given).decode("utf-8", "backslashreplace")


class _Digesting:
    """A stream that hashes what is read, so that the digest is right even while others write."""

    def __init__(self, stream: BinaryIO, digest: hashlib._Hash) -> None:
        self._stream = stream
        self._digest = digest

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._digest.update(data)
        return data

    def readline(self, limit: int) -> bytes:
        line = self._stream.readline(limit)
        self._digest.update(line)
        return line
