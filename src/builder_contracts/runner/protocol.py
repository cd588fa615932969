"""What every runner offers. Observation and proofs know nothing else about the place they work in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from builder_contracts.facts.model import Connection, Image, Seen, Start, Unseen
from builder_contracts.facts.model import Runner as RunnerFacts


@dataclass(frozen=True)
class Completed:
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
    control: Seen[Connection]


FROM_OUTSIDE = Unseen("this cannot be determined from outside the runner", here=False)
NO_DAEMON_STARTED = Unseen("this run did not start the daemon", here=False)


@dataclass(frozen=True)
class Setting:
    """What is known about a runner from outside, before anything runs in it."""

    runner: Seen[RunnerFacts]
    image: Seen[Image]
    start: Seen[Start]
    privileged: Seen[bool] = FROM_OUTSIDE
    daemon_ready_after: Seen[float] = NO_DAEMON_STARTED
    daemon_failure: str = ""
    forbidden: Mapping[str, Seen[StandIn]] = field(default_factory=dict)


class Runner(Protocol):
    """A live place. ``execute`` never raises for what happens to the command: see Completed."""

    @property
    def setting(self) -> Setting: ...

    def execute(self, arguments: Sequence[str], *, deadline: float) -> Completed:
        """Run a program by its argument list as the job's user, for at most ``deadline`` seconds."""
        ...


class NoRunner:
    """The place of a runner that could not be had: everything about it is unseen, for one reason."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        unseen = Unseen(reason)
        self.setting = Setting(unseen, unseen, unseen, privileged=unseen, daemon_ready_after=unseen)

    def execute(self, arguments: Sequence[str], *, deadline: float) -> Completed:  # noqa: ARG002 # the protocol's
        return Completed(None, b"", b"", self._reason)
