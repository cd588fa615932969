"""What every runner offers. Observation and proofs know nothing else about the place they work in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from builder_contracts.facts.model import ConnectionFacts, ImageFacts, RunnerFacts, Seen, StartFacts, Unseen


@dataclass(frozen=True)
class CompletedCommand:
    """The end of a command in a runner.

    ``status`` is None when the command did not end by itself; ``ended`` then says how it was lost (a
    deadline, a dead container, an engine that stopped answering). What it printed until then is kept.
    """

    status: int | None
    stdout: bytes
    stderr: bytes
    ended: str = ""


@dataclass(frozen=True)
class StandIn:
    """A host of the run in the place of one that jobs must not reach.

    ``control`` is a connection from where it is allowed: the proof that the stand-in answers at all.
    """

    address: str
    port: int
    control: Seen[ConnectionFacts]


FROM_OUTSIDE = Unseen("this runner cannot tell from outside", here=False)
NO_DAEMON_STARTED = Unseen("this run did not start the daemon", here=False)


@dataclass(frozen=True)
class OutsideView:
    """What is known about a runner from outside, before anything runs in it."""

    runner: Seen[RunnerFacts]
    image: Seen[ImageFacts]
    start: Seen[StartFacts]
    privileged: Seen[bool] = FROM_OUTSIDE
    daemon_ready_after: Seen[float] = NO_DAEMON_STARTED
    daemon_failure: str = ""
    forbidden: Mapping[str, Seen[StandIn]] = field(default_factory=dict)


class Runner(Protocol):
    """A live place. ``execute`` never raises for what happens to the command: see Completed."""

    @property
    def setting(self) -> OutsideView: ...

    def execute(self, arguments: Sequence[str], *, deadline: float) -> CompletedCommand:
        """Run a program by its argument list as the job's user, for at most ``deadline`` seconds."""
        ...


class UnavailableRunner:
    """The place of a runner that could not be had: everything about it is unseen, for one reason."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        unseen = Unseen(reason)
        self.setting = OutsideView(unseen, unseen, unseen, privileged=unseen, daemon_ready_after=unseen)

    def execute(self, arguments: Sequence[str], *, deadline: float) -> CompletedCommand:  # noqa: ARG002 # the protocol's
        return CompletedCommand(None, b"", b"", self._reason)
