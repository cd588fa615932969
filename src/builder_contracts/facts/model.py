"""Facts of one runner, as one pass of observation found them.

Every field that could not be observed holds an ``Unseen`` with the reason, never a guess: the judge then
answers *unproven*.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

T = TypeVar("T")

SCHEMA = "builder-contracts/facts/v1"


@dataclass(frozen=True)
class Unseen:
    """A fact that could not be observed, and why.

    ``here`` is False where this kind of runner or host can never show it (an image label on a real
    runner, a limit above the host's capacity), so that looking again would not help.
    """

    unseen: str
    here: bool = True


Seen: TypeAlias = T | Unseen

NOT_ASKED = Unseen("not part of this observation")


@dataclass(frozen=True)
class RunnerFacts:
    """The place that was observed.

    ``kind`` is docker or local; ``cpus`` and ``memory`` (bytes) are the host's capacity; ``identity``
    names what the runner says of itself (a container id, a GitHub runner name); ``engine_id`` is the id
    of the Docker Engine that runs it; ``live`` is True only for a proven runner of the class's pool.
    """

    kind: str
    engine: str
    host: str
    cpus: int
    memory: int
    identity: str = ""
    engine_id: str = ""
    live: bool = False


@dataclass(frozen=True)
class ImageFacts:
    """The image as the engine knows it. ``digest`` is its content id; ``size`` bytes unpacked."""

    reference: str
    digest: str
    platform: str
    labels: dict[str, str]
    entrypoint: list[str]
    size: int


@dataclass(frozen=True)
class StartFacts:
    """How the engine answered when the image was to be started: whether it has it, whether it started."""

    exists: bool
    started: bool
    said: str = ""


@dataclass(frozen=True)
class UserFacts:
    """The effective user of a job. ``home`` is HOME, empty when unset."""

    uid: int
    gid: int
    user: Seen[str]
    home: str
    home_exists: bool
    home_writable: bool


@dataclass(frozen=True)
class ShellFacts:
    """What a shell answered when it was asked to calculate; ``reason`` says why it does not run."""

    runs: bool
    reason: str = ""


HUNG = 124
"""The status of a command that was ended because it did not end by itself, as timeout(1) has it."""


@dataclass(frozen=True)
class FeatureFacts:
    """The end of a command that exercises a feature: its status and the first line it printed."""

    status: int
    output: str


@dataclass(frozen=True)
class WorkFacts:
    """How far a tool came with its piece of work: the last step that ran, and how that ended.

    ``output`` is its standard output and ``errors`` its standard error, both shortened. A step that was ended after
    its time has the status HUNG.
    """

    step: int
    status: int
    output: str
    errors: str = ""


@dataclass(frozen=True)
class ToolFacts:
    """A program that was looked for. ``path`` is None when no directory of PATH has it.

    ``output`` is what its version command printed (standard output first, shortened) and ``status`` how it ended;
    both are Unseen where the command was not run. A command that was ended after its time has the status HUNG.
    """

    path: str | None
    status: Seen[int] = NOT_ASKED
    output: Seen[str] = NOT_ASKED
    work: Seen[WorkFacts] = NOT_ASKED
    features: dict[str, Seen[FeatureFacts]] = field(default_factory=dict)


@dataclass(frozen=True)
class PathFacts:
    """What stands at a path; ``type`` is None for nothing. ``mode`` holds permission bits, ``free`` bytes."""

    type: str | None
    symlink: bool = False
    writable: bool = False
    mode: Seen[int] = NOT_ASKED
    owner: Seen[str] = NOT_ASKED
    free: Seen[int] = NOT_ASKED


@dataclass(frozen=True)
class AttemptFacts:
    """Something that the probe tried: whether it worked, and what it was told."""

    worked: bool
    said: str


@dataclass(frozen=True)
class DaemonFacts:
    """What a job finds when it looks for a Docker daemon.

    ``id`` and ``version`` are what it told the docker client, empty when the client got no answer.
    ``ready_after`` is the seconds from the start of the daemon to its first answer, where this run
    started it; ``failure`` says how that start failed.
    """

    reachable: bool
    how: str
    id: str = ""
    version: str = ""
    ready_after: Seen[float] = NOT_ASKED
    failure: str = ""


@dataclass(frozen=True)
class IsolationFacts:
    """What the kernel and the engine say of the job's confinement. Masks are bit sets of capabilities."""

    bounding: Seen[int] = NOT_ASKED
    no_new_privileges: Seen[bool] = NOT_ASKED
    seccomp: Seen[int] = NOT_ASKED
    privileged: Seen[bool] = NOT_ASKED
    sockets: Seen[list[str]] = NOT_ASKED
    mount: Seen[AttemptFacts] = NOT_ASKED
    unshare: Seen[AttemptFacts] = NOT_ASKED


@dataclass(frozen=True)
class ConnectionFacts:
    """One attempt to connect. ``outcome``: connected, refused, unreachable, unresolved, timeout, failed."""

    outcome: str
    said: str


@dataclass(frozen=True)
class ForbiddenHostFacts:
    """How the forbidden host of an environment answered.

    ``control`` is the same connection from a place that may reach it: without it nothing is shown.
    ``attempts`` maps each spelling of the address to what the job's attempt met.
    """

    control: Seen[ConnectionFacts]
    attempts: dict[str, Seen[ConnectionFacts]]


@dataclass(frozen=True)
class NetworkFacts:
    """What a job reaches. ``default_routes`` are interface names; keys of ``connect`` are HOST:PORT."""

    default_routes: Seen[list[str]] = NOT_ASKED
    resolve: dict[str, Seen[list[str]]] = field(default_factory=dict)
    connect: dict[str, Seen[ConnectionFacts]] = field(default_factory=dict)
    forbidden: dict[str, Seen[ForbiddenHostFacts]] = field(default_factory=dict)


@dataclass(frozen=True)
class ResourceFacts:
    """Limits in the control groups of the job; None for no limit.

    ``cpu`` in thousandths of a CPU, ``memory`` and ``memory_reserved`` in bytes. ``cpu_shares`` is the
    relative share as cgroup v1 has it (1024 a CPU), ``cpu_weight`` as cgroup v2 has it (100 by default);
    a runner shows one of the two.
    """

    cpu: Seen[int | None] = NOT_ASKED
    memory: Seen[int | None] = NOT_ASKED
    memory_reserved: Seen[int | None] = NOT_ASKED
    pids: Seen[int | None] = NOT_ASKED
    cpu_shares: Seen[int | None] = NOT_ASKED
    cpu_weight: Seen[int | None] = NOT_ASKED


@dataclass(frozen=True)
class Facts:
    """One observation. ``taken`` is an RFC 3339 time in UTC, ``seconds`` what the observation took."""

    runner: Seen[RunnerFacts]
    image: Seen[ImageFacts]
    start: Seen[StartFacts]
    identity: Seen[UserFacts] = NOT_ASKED
    shells: dict[str, Seen[ShellFacts]] = field(default_factory=dict)
    path: Seen[str] = NOT_ASKED
    env: Seen[dict[str, str]] = NOT_ASKED
    tools: dict[str, Seen[ToolFacts]] = field(default_factory=dict)
    paths: dict[str, Seen[PathFacts]] = field(default_factory=dict)
    isolation: IsolationFacts = field(default_factory=IsolationFacts)
    daemon: Seen[DaemonFacts] = NOT_ASKED
    network: NetworkFacts = field(default_factory=NetworkFacts)
    resources: ResourceFacts = field(default_factory=ResourceFacts)
    taken: str = ""
    seconds: float = 0.0
    schema: str = SCHEMA
