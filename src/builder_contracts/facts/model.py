"""The facts of one runner, from one observation.

A field that could not be observed holds an ``Unseen`` with the reason, never a guess: its clauses are then
*unproven*.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias, TypeVar

T = TypeVar("T")

SCHEMA = "builder-contracts/facts/v2"


@dataclass(frozen=True)
class Unseen:
    """A fact that could not be observed, and why.

    ``provable_here`` is False where this kind of runner or host can never show it (an image label on a real
    runner, a limit above the host's capacity), so that looking again would not help.
    """

    reason: str
    provable_here: bool = True


Seen: TypeAlias = T | Unseen

NOT_ASKED = Unseen("not part of this observation")

CONTRADICTION = "contradictory responses"
"""How the reason begins where a witness contradicts itself: nobody else can make up for that."""

ENTRYPOINT = "ENTRYPOINT"
"""In ``Facts.steps``: a job that the image's ENTRYPOINT starts."""


@dataclass(frozen=True)
class RunnerFacts:
    """The place that was observed.

    ``kind`` is docker, local, kubernetes or ssh; ``cpus`` and ``memory`` (bytes) are the host's capacity, 0 if unknown;
    ``identity`` names what the runner says of itself (a container id, a GitHub runner name), or the host as ssh
    reaches it; ``engine_id`` is the id of the Docker Engine that runs it; ``live`` is True only for a proven runner of
    the class's pool; ``platform`` is the engine's own; ``options`` are the words of the command line that chose its pod.
    """

    kind: str
    engine: str
    host: str
    cpus: int
    memory: int
    identity: str = ""
    engine_id: str = ""
    live: bool = False
    platform: str = ""
    options: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        """The runner as ``--runner`` names it."""
        return self.identity if self.kind == "ssh" else self.kind


@dataclass(frozen=True)
class ImageFacts:
    """The image as the engine knows it. ``digest`` is its content id; ``size`` bytes unpacked.

    ``healthcheck`` is as the image format has it: CMD or CMD-SHELL and its words, NONE, or nothing.
    ``history`` are the commands that built the layers.
    """

    reference: str
    digest: str
    platform: str
    labels: dict[str, str]
    entrypoint: list[str]
    size: int
    env: dict[str, str] = field(default_factory=dict)
    cmd: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    workdir: str = ""
    user: str = ""
    stop_signal: str = ""
    exposed: list[str] = field(default_factory=list)
    history: Seen[list[str]] = NOT_ASKED


@dataclass(frozen=True)
class StartFacts:
    """The engine's response to starting the image: whether the image exists, and whether it started.

    ``way`` is how the job was started. ``hopeless`` is True where the image or its start is why nothing runs, and not
    the engine: no job of the class can run. ``image`` and ``digest`` are those of a pod, of whose image nothing else
    is known.
    """

    exists: bool
    started: bool
    output: str = ""
    way: str = ""
    hopeless: bool = False
    image: str = ""
    digest: str = ""


@dataclass(frozen=True)
class StepFacts:
    """What a step sees in one shell, or a job that starts in one way.

    ``tools`` maps names to paths, empty for a tool that the shell does not find, and 'alias NAME' or 'function NAME'
    for one that hides a program. ``startup`` maps variables to the
    startup files that assign them. ``failure`` is why the shell did not run a step, or empty; ``missing``: because
    the job has no such shell. ``umask``, ``ulimits``, ``directory`` and the shell's own ``options`` are those of the
    step; None or empty where the shell does not show them.
    """

    env: dict[str, str]
    tools: dict[str, str] = field(default_factory=dict)
    startup: dict[str, list[str]] = field(default_factory=dict)
    failure: str = ""
    missing: bool = False
    umask: int | None = None
    ulimits: dict[str, int | None] = field(default_factory=dict)
    directory: str = ""
    options: str = ""


@dataclass(frozen=True)
class UserFacts:
    """The effective user of a job. ``user`` is empty for a uid without a name; ``home`` is HOME, empty when unset."""

    uid: int
    gid: int
    user: Seen[str]
    home: str
    home_exists: bool
    home_writable: bool


@dataclass(frozen=True)
class GroupFacts:
    """A group of a job's processes; ``name`` is empty for an id without an entry."""

    gid: int
    name: str


@dataclass(frozen=True)
class ShellFacts:
    """A shell's result of a calculation; ``reason`` states why the shell does not run."""

    runs: bool
    reason: str = ""


HUNG = 124
"""The status of a command that was ended because it did not end by itself, as timeout(1) has it."""

ENDED_FROM_OUTSIDE = (HUNG, 137, 143)
"""The statuses of a command that a time limit, SIGKILL or SIGTERM ended: alone they say nothing about the command."""


@dataclass(frozen=True)
class FeatureFacts:
    """The end of a command that exercises a feature: its status and the first line it printed."""

    status: int
    output: str


@dataclass(frozen=True)
class WorkFacts:
    """How far a tool came with its piece of work: the last step that ran, and how that ended.

    ``output`` is its standard output and ``errors`` its standard error, both shortened. A step that was ended after
    its time has the status HUNG. The number of the run, with which the tool worked, is ``{nonce}`` in both.
    """

    step: int
    status: int
    output: str
    errors: str = ""


@dataclass(frozen=True)
class ToolFacts:
    """A program that was looked for. ``path`` is None when no directory of PATH has it.

    ``output`` is what its version command printed (standard output first, shortened) and ``status`` how it ended;
    both are Unseen if the command was not run. A command that was ended after its time has the status HUNG.
    """

    path: str | None
    status: Seen[int] = NOT_ASKED
    output: Seen[str] = NOT_ASKED
    work: Seen[WorkFacts] = NOT_ASKED
    features: dict[str, Seen[FeatureFacts]] = field(default_factory=dict)


@dataclass(frozen=True)
class ControlFacts:
    """A control command that ran in the runner while tools had a second try: how often, and its slowest run in seconds.

    ``recovered`` are the tools that ended by themselves in that try.
    """

    runs: int
    slowest: float
    recovered: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PathFacts:
    """The file or directory at a path; ``type`` is None for nothing. ``mode`` holds permission bits, ``free`` bytes."""

    type: str | None
    symlink: bool = False
    writable: bool = False
    mode: Seen[int] = NOT_ASKED
    owner: Seen[str] = NOT_ASKED
    free: Seen[int] = NOT_ASKED


@dataclass(frozen=True)
class FileFacts:
    """More of what stands at a path. ``target`` is a symbolic link's.

    ``lines`` are the first lines of a file of at most 64 KiB that match patterns, by pattern: shortened and without
    secrets, None for no match.
    """

    executable: bool
    uid: Seen[int] = NOT_ASKED
    gid: Seen[int] = NOT_ASKED
    group: Seen[str] = NOT_ASKED
    target: Seen[str] = NOT_ASKED
    sha256: Seen[str] = NOT_ASKED
    lines: dict[str, Seen[str | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class DirectoryFacts:
    """A directory: whether it is there and the job can create files in it. ``mode`` holds permission bits."""

    path: str
    exists: bool
    writable: bool
    mode: Seen[int] = NOT_ASKED


@dataclass(frozen=True)
class SharedMemoryFacts:
    """The size of /dev/shm in bytes, and whether the job can write there."""

    size: int
    writable: bool


@dataclass(frozen=True)
class ProcessFacts:
    """What a job's processes inherit. ``ulimits`` are soft limits by name; None for unlimited."""

    directory: Seen[DirectoryFacts] = NOT_ASKED
    umask: Seen[int] = NOT_ASKED
    ulimits: Seen[dict[str, int | None]] = NOT_ASKED
    sysctls: dict[str, Seen[str]] = field(default_factory=dict)
    shared_memory: Seen[SharedMemoryFacts] = NOT_ASKED


@dataclass(frozen=True)
class SudoFacts:
    """Where sudo is (None: not on PATH), and how a command through it ended."""

    path: str | None
    status: int = 0
    output: str = ""


@dataclass(frozen=True)
class PrivilegeFacts:
    """Programs with more rights than the job: paths with their mode, paths that carry capabilities, sudo."""

    set_id: Seen[dict[str, int]] = NOT_ASKED
    file_capabilities: Seen[list[str]] = NOT_ASKED
    sudo: Seen[SudoFacts] = NOT_ASKED


@dataclass(frozen=True)
class InstalledPackage:
    """A package of the runner; ``state`` is "installed", or the manager's word for an installation that did not end."""

    version: str
    state: str = "installed"


@dataclass(frozen=True)
class PackageFacts:
    """The packages that were asked for, by name; several entries for several architectures or versions."""

    manager: str
    packages: dict[str, list[InstalledPackage]] = field(default_factory=dict)


@dataclass(frozen=True)
class UserEntryFacts:
    """An entry of /etc/passwd. ``groups`` are the user's groups in /etc/group by name, sorted."""

    uid: int
    gid: int
    home: str
    shell: str
    groups: list[str]


@dataclass(frozen=True)
class GroupEntryFacts:
    """An entry of /etc/group. ``members`` are the users that it lists, sorted."""

    gid: int
    members: list[str]


@dataclass(frozen=True)
class AccountFacts:
    """Entries of /etc/passwd and /etc/group by name; None for no entry."""

    users: dict[str, UserEntryFacts | None] = field(default_factory=dict)
    groups: dict[str, GroupEntryFacts | None] = field(default_factory=dict)


@dataclass(frozen=True)
class CommandFacts:
    """The end of a command. A command that was ended after its time has the status HUNG.

    ``stdout`` and ``stderr`` are the first lines that match patterns, as in FileFacts; ``output`` is the first line
    of what it printed, standard error first. ``control`` is the seconds of a control command that ran afterwards;
    NOT_ASKED where the command ended by itself.
    """

    status: int
    output: str
    stdout: dict[str, Seen[str | None]] = field(default_factory=dict)
    stderr: dict[str, Seen[str | None]] = field(default_factory=dict)
    control: Seen[float] = NOT_ASKED


@dataclass(frozen=True)
class BundleFacts:
    """The CA bundle; ``path`` is empty where there is none."""

    path: str
    certificates: int


@dataclass(frozen=True)
class HandshakeFacts:
    """A tool's requests to two TLS servers: one whose authority is in ``bundle``, one whose authority is unknown.

    ``bundle`` is empty where the image has none.
    """

    bundle: str
    trusted: FeatureFacts
    unknown: FeatureFacts


@dataclass(frozen=True)
class AttemptFacts:
    """Something that the probe tried: whether it worked, and what it was told."""

    worked: bool
    output: str


@dataclass(frozen=True)
class NixSettingFacts:
    """A setting of Nix in effect; ``value`` is None where Nix has no such setting.

    ``source`` is the variable or the file that sets it, empty where none of those that were searched does.
    """

    value: str | None
    source: str = ""


@dataclass(frozen=True)
class DaemonSettingsFacts:
    """Settings of a Docker daemon. ``mtu`` is that of its default bridge, ``networks`` are all by name."""

    storage_driver: str
    insecure_registries: list[str]
    mtu: Seen[int]
    networks: list[str]


@dataclass(frozen=True)
class DaemonFacts:
    """A job's access to a Docker daemon.

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
    settings: Seen[DaemonSettingsFacts] = NOT_ASKED


@dataclass(frozen=True)
class IsolationFacts:
    """The confinement of the job, as the kernel and the engine report it. Masks are bit sets of capabilities."""

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
    output: str


@dataclass(frozen=True)
class ResponseFacts:
    """The response to an HTTP request: its status, or 0 and the reason why there was none.

    ``outcome`` is that of the connection, as in ConnectionFacts.
    """

    outcome: str
    status: int
    output: str = ""


@dataclass(frozen=True)
class ForbiddenHostFacts:
    """The responses of an environment's forbidden host.

    ``control`` is the same connection from a place that may reach it: without it nothing is shown.
    ``attempts`` maps each spelling of the address to what the job's attempt met.
    """

    control: Seen[ConnectionFacts]
    attempts: dict[str, Seen[ConnectionFacts]]


@dataclass(frozen=True)
class NetworkFacts:
    """The addresses that a job reaches. ``default_routes`` are interface names; keys of ``connect`` are HOST:PORT.

    Keys of ``responses`` are URLs.
    """

    default_routes: Seen[list[str]] = NOT_ASKED
    resolve: dict[str, Seen[list[str]]] = field(default_factory=dict)
    connect: dict[str, Seen[ConnectionFacts]] = field(default_factory=dict)
    forbidden: dict[str, Seen[ForbiddenHostFacts]] = field(default_factory=dict)
    responses: dict[str, Seen[ResponseFacts]] = field(default_factory=dict)


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
class KernelFacts:
    """What the kernel shows of the job's process, and only the outside witness reads.

    ``effective`` is a bit set of capabilities; ``limits`` are soft and hard by the kernel's names; ``mounts`` are
    type and options by mount point; ``namespaces`` are their inodes by kind.
    """

    groups: Seen[list[int]] = NOT_ASKED
    effective: Seen[int] = NOT_ASKED
    limits: Seen[dict[str, list[str]]] = NOT_ASKED
    mounts: Seen[dict[str, str]] = NOT_ASKED
    namespaces: Seen[dict[str, str]] = NOT_ASKED
    unix_sockets: Seen[list[str]] = NOT_ASKED


@dataclass(frozen=True)
class PodFacts:
    """The job's pod as the Kubernetes API returns it, after admission.

    ``claims`` are the names of volumes that the cluster provides, whatever is behind them. ``host_namespaces`` are
    network, pid, ipc; ``memory_request`` is in bytes, None if there is none. ``lines`` are the places of the template, FILE:LINE, that decide what
    promises are about, by the field's name; empty where the template is not a file.
    """

    host_paths: list[str] = field(default_factory=list)
    host_namespaces: list[str] = field(default_factory=list)
    qos_class: str = ""
    image_pull_policy: str = ""
    priority_class: str = ""
    memory_request: Seen[int | None] = NOT_ASKED
    claims: list[str] = field(default_factory=list)
    lines: dict[str, str] = field(default_factory=dict)


NOT_A_POD = Unseen("only a pod of the run shows it; use --runner kubernetes", provable_here=False)


@dataclass(frozen=True)
class Facts:
    """One observation. ``groups`` begins with the effective one. ``ports`` holds the addresses of
    what listens, by PORT/PROTOCOL.

    ``taken`` is an RFC 3339 time in UTC, ``seconds`` what the observation took.

    ``steps`` holds what steps see, by shell. ``entrypoint`` is a start by the image's ENTRYPOINT, which jobs of the
    class do not start with.

    ``processes`` holds the users of processes, by the name and the pattern that a contract promises, and ``commands``
    how its commands ended.

    The fields are what the inside witness saw, the probe in the runner, and the engine of image and start.
    ``control`` is NOT_ASKED where no tool needed a second try.

    ``outside`` is the same as the kernel shows it without a program of the image; what only a run can show is
    Unseen there, and so is all of it where this kind of runner has no outside witness.

    ``asked`` are digests of the words that were asked with, where the name of a fact does not show them.
    """

    runner: Seen[RunnerFacts]
    image: Seen[ImageFacts]
    start: Seen[StartFacts]
    identity: Seen[UserFacts] = NOT_ASKED
    groups: Seen[list[GroupFacts]] = NOT_ASKED
    healthcheck: Seen[FeatureFacts] = NOT_ASKED
    ports: Seen[dict[str, list[str]]] = NOT_ASKED
    process: ProcessFacts = field(default_factory=ProcessFacts)
    search_path: Seen[list[DirectoryFacts]] = NOT_ASKED
    privileges: PrivilegeFacts = field(default_factory=PrivilegeFacts)
    packages: Seen[PackageFacts] = NOT_ASKED
    accounts: Seen[AccountFacts] = NOT_ASKED
    processes: dict[str, Seen[list[str]]] = field(default_factory=dict)
    commands: dict[str, Seen[CommandFacts]] = field(default_factory=dict)
    secret_files: Seen[list[str]] = NOT_ASKED
    ca_bundle: Seen[BundleFacts] = NOT_ASKED
    handshakes: dict[str, Seen[HandshakeFacts]] = field(default_factory=dict)
    time_zone: Seen[str] = NOT_ASKED
    shells: dict[str, Seen[ShellFacts]] = field(default_factory=dict)
    path: Seen[str] = NOT_ASKED
    env: Seen[dict[str, str]] = NOT_ASKED
    steps: dict[str, Seen[StepFacts]] = field(default_factory=dict)
    entrypoint: Seen[StartFacts] = NOT_ASKED
    tools: dict[str, Seen[ToolFacts]] = field(default_factory=dict)
    control: Seen[ControlFacts] = NOT_ASKED
    paths: dict[str, Seen[PathFacts]] = field(default_factory=dict)
    files: dict[str, Seen[FileFacts]] = field(default_factory=dict)
    isolation: IsolationFacts = field(default_factory=IsolationFacts)
    daemon: Seen[DaemonFacts] = NOT_ASKED
    network: NetworkFacts = field(default_factory=NetworkFacts)
    nix_settings: dict[str, Seen[NixSettingFacts]] = field(default_factory=dict)
    resources: ResourceFacts = field(default_factory=ResourceFacts)
    pod: Seen[PodFacts] = NOT_A_POD
    kernel: KernelFacts = field(default_factory=KernelFacts)
    outside: Seen[Facts] = NOT_ASKED
    asked: Seen[list[str]] = NOT_ASKED
    taken: str = ""
    seconds: float = 0.0
    schema: str = SCHEMA

    @cached_property
    def outside_with_steps(self) -> Facts | None:
        """What the outside saw: only the inside shows what steps see, and it counts for both witnesses."""
        return (
            dataclasses.replace(self.outside, steps=self.steps) if isinstance(self.outside, Facts) else None
        )
