"""Start processes on this host. No other module does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any

import psutil

from builder_contracts.runner.protocol import CompletedCommand

# Seconds for the output of what was killed.
_LINGER = 2
# What ends a run: Ctrl-C, docker stop, a closed terminal.
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(
    arguments: Sequence[str],
    *,
    deadline: float,
    environment: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
) -> CompletedCommand:
    """Run a program by its argument list, without a shell; without input, unless some is given.

    It gets its own session, which is killed as a whole at the deadline and when the caller is interrupted, at
    whatever moment, so that nothing is left behind. A process that left the session is beyond reach, and its
    output is not waited for.
    """
    process: subprocess.Popen[bytes] | None = None
    try:
        with _InterruptsDeferred():
            # Interrupted in here, Popen would lose a child that it has started already.
            try:
                process = subprocess.Popen(
                    list(arguments),
                    stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=None if environment is None else dict(environment),
                    start_new_session=True,
                )
            except OSError as error:
                return CompletedCommand(127, b"", str(error).encode())
        try:
            stdout, stderr = process.communicate(stdin, timeout=deadline)
        except subprocess.TimeoutExpired:
            with process:
                stdout, stderr = _kill_and_read(process)
            return CompletedCommand(
                None, stdout, stderr, f"{arguments[0]} did not exit within {deadline:g} s"
            )
    except BaseException:
        # A leader that is not waited for yet keeps its ID, which is the session's, from everyone else.
        if process is not None and process.returncode is None:
            with _InterruptsDeferred(), process:
                _kill_session(process)
        raise
    return CompletedCommand(process.returncode, stdout, stderr)


def _kill_and_read(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    _kill_session(process)
    try:
        return process.communicate(timeout=_LINGER)
    except subprocess.TimeoutExpired as late:
        return late.stdout or b"", late.stderr or b""


class _InterruptsDeferred:
    """Holds the main thread's handlers of interrupts back, and calls them at its end.

    Blocked signals would not do: the kernel gives a signal of the process to any thread that does not block it,
    and Python then calls the handler in the main thread.
    """

    def __init__(self) -> None:
        self._handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._received: list[tuple[int, FrameType | None]] = []
        self._deferring = False

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _INTERRUPTS:
            handler = signal.getsignal(number)
            # A signal without a handler in Python ends this process at once, or is ignored here and in the child.
            if callable(handler):
                self._handlers[number] = handler
                signal.signal(number, self._handle)
        self._deferring = True

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deferring = False
        try:
            self._restore()
        except BaseException:  # the first handler that is back may raise before the last one is
            self._restore()
            raise
        for number, frame in self._received:
            self._handlers[number](number, frame)

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._deferring:
            self._received.append((number, frame))
        else:
            self._handlers[number](number, frame)


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill every process of the session: timeout(1), for example, puts its children into their own group."""
    for _ in range(10):  # what is being killed may be starting another
        members = list(_living_members(process.pid))
        for pid in members:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not members:
            return


def _living_members(session: int) -> Iterator[int]:
    for pid in psutil.pids():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(pid) == session and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                yield pid
