"""Start processes on this host. No other module does."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any

import psutil

from builder_contracts.runner.interrupts import SIGNALS
from builder_contracts.runner.protocol import MOST_OUTPUT, CompletedCommand, TimeLimit, ends_with_line
from builder_contracts.runner.shutdown import ENDED

# Seconds for the output of what was killed.
_LINGER = 2
# Seconds in which a command that was told to end removes what it made, and after which one that works says so.
_REMOVAL = 60
_SILENCE = 10
# Seconds in which the end of the run is noticed.
_NOTICED_WITHIN = 0.2


def run(
    arguments: Sequence[str],
    *,
    deadline: float,
    environment: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    last_line: bytes = b"",
    hold_input: bool = False,
    run_ended: threading.Event | None = None,
) -> CompletedCommand:
    """Run a program by its argument list, without a shell; without input, unless some is given.

    With ``hold_input`` the input does not end before this process does, or the program: who reads it on another host
    then knows that nobody waits any more.

    It gets its own session, which is killed as a whole at the deadline, when ``run_ended`` is set, and when the caller
    is interrupted, at whatever moment, so that nothing is left behind. A process that left the session is beyond reach,
    and its output is not waited for. A program that has printed ``last_line`` is killed with its session, and has
    succeeded; its deadline counts from its latest output.
    """
    process: subprocess.Popen[bytes] | None = None
    run_ended = run_ended or threading.Event()
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
        with contextlib.closing(_Streams(process, stdin, last_line, hold_input=hold_input)) as streams:
            limit = TimeLimit(deadline, by_output=bool(last_line))
            if not streams.copy(limit, run_ended):
                late = f"{arguments[0]} did not exit within {limit.granted:.3g} s"
                ended = ENDED if run_ended.is_set() else late
                with process:
                    _kill_session(process)
                    streams.copy(TimeLimit(_LINGER), threading.Event())
                return CompletedCommand(None, *streams.output, ended, streams.cut)
            if streams.complete:
                with process:
                    _kill_session(process)
                return CompletedCommand(0, *streams.output, cut=streams.cut)
    except BaseException:
        # A leader that is not waited for yet keeps its ID, which is the session's, from everyone else.
        if process is not None and process.returncode is None:
            with _InterruptsDeferred(), process:
                _kill_session(process)
        raise
    return CompletedCommand(process.returncode, *streams.output, cut=streams.cut)


async def run_cancellable(
    arguments: Sequence[str], *, deadline: float, say: Callable[[str], Awaitable[None]]
) -> CompletedCommand:
    """Run a command that removes what it made when SIGTERM comes, as this package's own do; without input.

    It gets that signal at the deadline and when the task is cancelled, and is killed with its session if it has not
    ended a minute later. ``say`` is given the latest line of its standard error, and every few seconds how long it has been at work.
    """
    import anyio  # of an extra

    output, errors = bytearray(), bytearray()

    async def copy(stream: Any, kept: bytearray) -> None:
        async for chunk in stream:
            kept += chunk[: max(0, MOST_OUTPUT - len(kept))]
            line = chunk.decode("utf-8", "replace").strip().rpartition("\n")[2]
            if kept is errors and line:
                await say(line)

    async def tick() -> None:
        seconds = 0
        while True:
            await anyio.sleep(_SILENCE)
            seconds += _SILENCE
            await say(f"at work for {seconds} s")

    process = await anyio.open_process(list(arguments), stdin=subprocess.DEVNULL, start_new_session=True)
    ended = False
    try:
        with anyio.move_on_after(deadline):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(tick)
                async with anyio.create_task_group() as copies:
                    copies.start_soon(copy, process.stdout, output)
                    copies.start_soon(copy, process.stderr, errors)
                await process.wait()
                ended = True
                tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            if not ended:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                with anyio.move_on_after(_REMOVAL):
                    await process.wait()
                for member in _living_members(process.pid):
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(member, signal.SIGKILL)
            await process.aclose()
    return CompletedCommand(process.returncode if ended else None, bytes(output), bytes(errors))


class _Streams:
    """The pipes of a process. Of what it prints, the beginning is kept: a flood costs no memory."""

    def __init__(
        self, process: subprocess.Popen[bytes], stdin: bytes | None, last_line: bytes, *, hold_input: bool
    ) -> None:
        self._process, self._hold_input = process, hold_input
        self._kept = {stream: bytearray() for stream in (process.stdout, process.stderr) if stream}
        self._input = memoryview(stdin or b"")
        self._last_line = last_line
        self._selector = selectors.DefaultSelector()
        self.complete = self.cut = False
        for stream in self._kept:
            self._selector.register(stream, selectors.EVENT_READ)
        if process.stdin:
            os.set_blocking(process.stdin.fileno(), False)
            self._selector.register(process.stdin, selectors.EVENT_WRITE)

    def close(self) -> None:
        self._selector.close()
        for stream in (*self._kept, self._process.stdin):
            if stream:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    @property
    def output(self) -> tuple[bytes, bytes]:
        stdout, stderr = (bytes(kept) for kept in self._kept.values())
        return stdout, stderr

    def copy(self, limit: TimeLimit, run_ended: threading.Event) -> bool:
        """Copy until the process has exited and its output ended, or its last line came; False for neither."""
        while self._selector.get_map():
            remaining = limit.remaining
            if remaining <= 0 or run_ended.is_set():
                return False
            for key, _ in self._selector.select(min(remaining, _NOTICED_WITHIN)):
                self._write(key.fileobj) if key.fileobj is self._process.stdin else self._read(key.fileobj)
                if self._last_line and not self.cut:
                    limit.note_output()
            if self.complete:
                return True
        try:
            self._process.wait(max(0.0, limit.remaining))
        except subprocess.TimeoutExpired:
            return False
        return True

    def _read(self, stream: Any) -> None:
        chunk = os.read(stream.fileno(), 1 << 16)
        kept = self._kept[stream]
        room = max(0, MOST_OUTPUT - len(kept))
        kept += chunk[:room]
        self.cut = self.cut or len(chunk) > room
        if not chunk:
            self._selector.unregister(stream)
        elif self._last_line and stream is self._process.stdout:
            # It may have come in two chunks.
            self.complete = ends_with_line(kept, self._last_line, len(chunk))

    def _write(self, stream: Any) -> None:
        try:
            self._input = self._input[os.write(stream.fileno(), self._input[: 1 << 16]) :]
        except BrokenPipeError:
            self._input = self._input[:0]
        if not self._input:
            self._selector.unregister(stream)
            if self._hold_input:
                return
            with contextlib.suppress(BrokenPipeError):
                stream.close()


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
        self._deferring = True
        try:
            for number in SIGNALS:
                handler = signal.getsignal(number)
                # A signal without a handler in Python ends this process at once, or is ignored here and in the child.
                if callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, self._handle)
        except BaseException:  # a handler that is not replaced yet may raise
            self._restore()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()
        for number, frame in self._received:
            self._handlers[number](number, frame)

    def _restore(self) -> None:
        self._deferring = False
        try:
            self._put_back()
        except BaseException:  # the first handler that is back may raise before the last one is
            self._put_back()
            raise

    def _put_back(self) -> None:
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
