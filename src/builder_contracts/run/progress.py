"""Progress of long proofs, for a person who waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from builder_contracts.redaction import redact


class Progress:
    """The progress messages of proofs, which run in their own threads.

    The lines are kept until the thread that waits for the proofs shows them, between two looks.
    """

    interval = 0.25
    """Seconds between two looks."""
    patience = 20.0
    """Seconds of silence after which a person wonders."""

    def __init__(self, write: Callable[[Sequence[str]], None]) -> None:
        self._write = write
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._started_at = self._shown_at = time.monotonic()

    def say(self, line: str) -> None:
        """Keep a line to be shown; from any thread."""
        self._lines.put(redact(line))

    def show(self, work: str) -> None:
        """Write what was said, or after a long silence that the work that is waited for is running."""
        lines = [self._lines.get() for _ in range(self._lines.qsize())]
        now = time.monotonic()
        if not lines and now - self._shown_at > self.patience:
            lines = [f"{work} running for {now - self._started_at:.0f} s"]
        if lines:
            self._shown_at = now
            self._write(lines)
