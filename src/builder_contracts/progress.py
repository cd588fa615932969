"""Progress of long proofs on standard error, whoever runs them: pytest, a worker of xdist, the command line."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from queue import SimpleQueue
from typing import Any

import pytest

from builder_contracts.redaction import redact


class Progress:
    """What proofs say while they run, for a person who waits.

    They run in threads of their own, and while an item runs pytest captures all that is written: the lines
    are kept until the main thread, which waits for them, tells them between two looks.
    """

    interval = 0.25
    """Seconds between two looks."""
    patience = 20.0
    """Seconds of silence after which a person wonders."""

    def __init__(self, config: pytest.Config, *, silent: bool = False) -> None:
        self._plugins, self._silent = config.pluginmanager, silent
        self._lines: SimpleQueue[str] = SimpleQueue()
        self.begin()

    def begin(self) -> None:
        """Count the seconds from now: proofs begin."""
        self._begun = self._told = time.monotonic()

    def say(self, line: str) -> None:
        """Keep a line to be told; from any thread."""
        self._lines.put(redact(line))

    def tell(self, builder: str) -> None:
        """Write what was said, or after a long silence that the proofs of a class are under way."""
        lines = [self._lines.get() for _ in range(self._lines.qsize())]
        now = time.monotonic()
        if not lines and now - self._told > self.patience:
            lines = [f"{builder}: proofs under way for {now - self._begun:.0f} s"]
        if not lines or self._silent:
            return
        self._told = now
        terminal: Any = self._plugins.get_plugin("terminalreporter")
        capture: Any = self._plugins.get_plugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            if terminal is not None:
                # The line of dots ends before ours begins.
                terminal.ensure_newline()
                terminal.flush()
            # A worker does not know where on the terminal it is, but shares its standard error.
            sys.stderr.write("" if terminal is not None else "\n")
            sys.stderr.writelines(f"  {line}\n" for line in lines)
            sys.stderr.flush()
