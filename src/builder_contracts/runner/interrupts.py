"""Signals that end a run. The first one stops it, and none stops the removal of what the run created."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C; docker stop, timeout(1), CI systems; a closed terminal."""

# Seconds in which a run that was stopped begins to remove what it created. A signal that comes later and meets no
# removal stops it again: Python drops an exception that is raised in a destructor.
_STOPS_WITHIN = 5.0
_WAIT = b"removing what this run created; Ctrl-\\ gives up and leaves it\n"


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP came: the run ends as after Ctrl-C, and removes what it created."""


class _Interrupts:
    """The signals that this process has received."""

    def __init__(self) -> None:
        self._stopped_at = -_STOPS_WITHIN
        self._removals = 0

    def handle(self, number: int, _: FrameType | None) -> None:
        if self._removals or time.monotonic() - self._stopped_at < _STOPS_WITHIN:
            # Standard error may be a terminal that is closed.
            with contextlib.suppress(OSError):
                os.write(2, _WAIT)
            return
        self._stopped_at = time.monotonic()
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    @contextlib.contextmanager
    def ignored(self) -> Iterator[None]:
        self._removals += 1
        try:
            yield
        finally:
            self._removals -= 1


_interrupts = _Interrupts()


def end_in_order(*, unignore: bool = False) -> None:
    """Let each of the signals raise KeyboardInterrupt once in the main thread, unless somebody else handles it.

    ``unignore`` also handles what a shell or nohup(1) has told this process to ignore.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    unhandled = [signal.SIG_DFL, signal.default_int_handler, None, *([signal.SIG_IGN] if unignore else [])]
    for number in SIGNALS:
        if signal.getsignal(number) in unhandled:
            signal.signal(number, _interrupts.handle)


def ended() -> None:
    """Nothing is left to stop or to remove: a late signal must not replace the exit code."""
    for number in SIGNALS:
        if signal.getsignal(number) == _interrupts.handle:
            signal.signal(number, signal.SIG_IGN)


def ignored() -> contextlib.AbstractContextManager[None]:
    """While this is entered, the signals that ``end_in_order`` handles stop nothing."""
    return _interrupts.ignored()
