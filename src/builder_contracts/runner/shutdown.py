"""Stop the commands that are running at the end of a run, and start no new ones."""

from __future__ import annotations

import threading
from collections.abc import Callable

from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.runner.wrapped import Command

ENDED = "the run was stopped"
# Seconds for a command that puts something back while somebody waits for the end.
_LAST = 30


class Shutdown:
    """The shutdown of a run: commands start until it has come."""

    def __init__(self) -> None:
        self._idle = threading.Condition()
        self._running = 0
        self._come = self._over = False

    @property
    def come(self) -> bool:
        return self._come

    def run(self, command: Callable[[], CompletedCommand]) -> CompletedCommand:
        """Run a command, unless the end has come: then it fails at once."""
        with self._idle:
            if self._come:
                return CompletedCommand(None, b"", b"", ENDED)
            self._running += 1
        try:
            return command()
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def around(self, command: Command, deadline: float) -> CompletedCommand:
        """Run a command that ends with the run."""
        return self.run(lambda: command(deadline))

    def around_cleanup(self, command: Command, deadline: float) -> CompletedCommand:
        """Run a command that puts back what a run has changed, after its end as well."""
        return self.run_cleanup(lambda: command(min(deadline, _LAST) if self.come else deadline))

    def end(self, kill: Callable[[], None]) -> None:
        """Start nothing any more, and kill until nothing runs."""
        with self._idle:
            self._come = True
            try:
                kill()
                while self._running:
                    self._idle.wait(0.1)
                    kill()
            finally:
                self._over = True
                self._idle.notify_all()

    def run_cleanup(self, command: Callable[[], CompletedCommand]) -> CompletedCommand:
        """Run a command that takes something back: after the end as well, and once more if the end killed it."""
        came_before = self._come
        self._outlive()
        completed = command()
        if completed.status != 0 and self._come and not came_before:
            self._outlive()
            completed = command()
        return completed

    def _outlive(self) -> None:
        """If the end has come, wait until nothing is killed any more."""
        with self._idle:
            self._idle.wait_for(lambda: self._over or not self._come)
