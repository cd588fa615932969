"""The interface of every runner. Observation and proofs use nothing else of a runner."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from builder_contracts.facts.model import (
    NOT_A_POD,
    NOT_ASKED,
    ConnectionFacts,
    HandshakeFacts,
    ImageFacts,
    PodFacts,
    RunnerFacts,
    Seen,
    StartFacts,
    Unseen,
)


@dataclass(frozen=True)
class CompletedCommand:
    """The result of a command in a runner.

    ``status`` is None if the command did not exit by itself; ``ended`` is then the reason (a deadline, a dead
    container, an engine that stopped responding). The output until then is kept; ``cut`` says that it was longer.
    """

    status: int | None
    stdout: bytes
    stderr: bytes
    ended: str = ""
    cut: bool = False


def ends_with_line(output: bytes | bytearray, line: bytes, fresh: int) -> bool:
    """Whether the last ``fresh`` bytes of an output, or what they complete, hold this line."""
    return b"\n%b\n" % line in output[max(0, len(output) - fresh - len(line) - 2) :]


class TimeLimit:
    """The time limit of a running command: ``deadline`` seconds, or with ``by_output`` so long after its latest output.

    A busy host makes a program slow, and one that goes on answering does not hang. In all it gets LONGEST times the
    deadline.
    """

    LONGEST = 3

    def __init__(self, deadline: float, *, by_output: bool = False) -> None:
        self._deadline = deadline
        self._started = time.monotonic()
        self._last = self._started + deadline * (self.LONGEST if by_output else 1)
        self._until = self._started + deadline

    @property
    def remaining(self) -> float:
        """Seconds; none are left at 0 or below."""
        return self._until - time.monotonic()

    @property
    def granted(self) -> float:
        """The seconds from the start to the limit as it is now."""
        return self._until - self._started

    def note_output(self) -> None:
        self._until = min(self._last, time.monotonic() + self._deadline)


@dataclass(frozen=True)
class StandIn:
    """A host of the run that plays one which jobs must not reach.

    ``control`` is a connection from an allowed place: it proves that the stand-in responds at all.
    """

    address: str
    port: int
    control: Seen[ConnectionFacts]


Look: TypeAlias = Callable[[str, Sequence[str], float], CompletedCommand]
"""Runs a Python program outside of a runner: its text, its arguments after the runner's directory below /proc, and
the seconds that it may take."""

MOST_OUTPUT = 1 << 24
"""Bytes that are kept of one stream of a command. A command that prints more goes on, and the rest is dropped."""

FROM_OUTSIDE = Unseen("this cannot be determined from outside the runner", provable_here=False)
NO_DAEMON_STARTED = Unseen("this run did not start the daemon", provable_here=False)


@dataclass(frozen=True)
class OutsideView:
    """The outside view of a runner, before anything runs in it.

    ``look`` reads the kernel's view of the job's process; None where nothing outside can. ``handshakes`` lets tools
    talk to the run's TLS servers; its result is by name of the tool.
    """

    runner: Seen[RunnerFacts]
    image: Seen[ImageFacts]
    start: Seen[StartFacts]
    privileged: Seen[bool] = FROM_OUTSIDE
    pod: Seen[PodFacts] = NOT_A_POD
    daemon_ready_after: Seen[float] = NO_DAEMON_STARTED
    daemon_failure: str = ""
    entrypoint: Seen[StartFacts] = NOT_ASKED
    entrypoint_env: Seen[dict[str, str]] = NOT_ASKED
    forbidden: Mapping[str, Seen[StandIn]] = field(default_factory=dict)
    look: Look | None = None
    handshakes: Callable[[], Mapping[str, Seen[HandshakeFacts]]] | None = None


class Runner(Protocol):
    """A place where jobs run. Nothing that happens to a command makes ``execute`` raise: see Completed."""

    @property
    def setting(self) -> OutsideView: ...

    def execute(
        self, arguments: Sequence[str], *, deadline: float, last_line: bytes = b""
    ) -> CompletedCommand:
        """Run a program by its argument list as the job's user, for at most ``deadline`` seconds.

        A program that has printed ``last_line`` has succeeded, whoever still holds its output open. Its deadline
        counts from its latest output, as in TimeLimit.
        """
        ...


class UnavailableRunner:
    """Stands for a runner that could not be started: everything about it is unseen, for one reason."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        unseen = Unseen(reason)
        self.setting = OutsideView(unseen, unseen, unseen, privileged=unseen, daemon_ready_after=unseen)

    def execute(
        self,
        arguments: Sequence[str],  # noqa: ARG002 # the protocol's
        *,
        deadline: float,  # noqa: ARG002 # the same
        last_line: bytes = b"",  # noqa: ARG002 # the same
    ) -> CompletedCommand:
        return CompletedCommand(None, b"", b"", self._reason)
