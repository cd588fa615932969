"""Stop the commands that are running at the end of a run, and start no new ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from builder_contracts.runner.protocol import CompletedCommand, OutsideView, Runner

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


@dataclass(frozen=True)
class StoppableRunner:
    """A runner whose commands end with the run."""

    runner: Runner
    ending: Shutdown

    @property
    def setting(self) -> OutsideView:
        return self.runner.setting

    def execute(
        self, arguments: Sequence[str], *, deadline: float, last_line: bytes = b""
    ) -> CompletedCommand:
        return self.ending.run(lambda: self.runner.execute(arguments, deadline=deadline, last_line=last_line))


@dataclass(frozen=True)
class CleanupRunner:
    """A runner whose commands put back what a run has changed, and work after its end as well."""

    runner: Runner
    ending: Shutdown

    @property
    def setting(self) -> OutsideView:
        return self.runner.setting

    def execute(
        self, arguments: Sequence[str], *, deadline: float, last_line: bytes = b""
    ) -> CompletedCommand:
        def last() -> CompletedCommand:
            return self.runner.execute(
                arguments,
                deadline=min(deadline, _LAST) if self.ending.come else deadline,
                last_line=last_line,
            )

        return self.ending.run_cleanup(last)
