"""Progress of long proofs on pytest's terminal."""

from __future__ import annotations

import time
from contextlib import nullcontext
from queue import SimpleQueue
from typing import Any

import pytest


class Progress:
    """What proofs say while they run, for a person who waits.

    They run in threads of their own, and while an item runs pytest captures all that is written: the lines
    are kept until the main thread, which waits for them, tells them between two looks.
    """

    interval = 0.25
    """Seconds between two looks."""
    patience = 20.0
    """Seconds of silence after which a person wonders."""

    def __init__(self, config: pytest.Config) -> None:
        manager = config.pluginmanager
        # Workers have no terminal, and --quiet wants none of it.
        self._terminal: Any = manager.get_plugin("terminalreporter") if config.option.verbose >= 0 else None
        self._capture: Any = manager.get_plugin("capturemanager")
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._begun = self._told = time.monotonic()

    def say(self, line: str) -> None:
        """Keep a line to be told; from any thread."""
        self._lines.put(line)

    def tell(self, builder: str) -> None:
        """Write what was said, or after a long silence that the proofs of a class are under way."""
        lines = [self._lines.get() for _ in range(self._lines.qsize())]
        now = time.monotonic()
        if not lines and now - self._told > self.patience:
            lines = [f"{builder}: proofs under way for {now - self._begun:.0f} s"]
        if not lines or self._terminal is None:
            return
        self._told = now
        with self._capture.global_and_fixture_disabled() if self._capture else nullcontext():
            self._terminal.ensure_newline()
            for line in lines:
                self._terminal.write_line(f"  {line}")
