"""Plan the start of a contract's container: hardened as promised, never weaker. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.daemon import DaemonEndpoint, DaemonReady
from builder_contracts.contract.promises.image import ImageEntrypoint
from builder_contracts.contract.promises.isolation import Capabilities, NoNewPrivileges, Privileged, Seccomp
from builder_contracts.contract.promises.job import DEFAULT_START, JobStart, StartWay
from builder_contracts.contract.promises.network import Denied, Egress, Reaches, Resolves, Responds
from builder_contracts.contract.promises.resources import (
    CpuLimit,
    CpuRequest,
    MemoryLimit,
    MemoryRequest,
    PidsLimit,
)
from builder_contracts.contract.promises.trust import TlsTool

# The limit of classes that promise none, so that a fork bomb in an image cannot take down the host.
DEFAULT_PIDS = 4096


@dataclass(frozen=True)
class DaemonPlan:
    """A Docker daemon as a sidecar: its port, and the seconds within which it must be ready."""

    port: int
    ready_within: int


@dataclass(frozen=True)
class LaunchPlan:
    """Everything about a runner container but its image and the run's networks.

    CPU amounts are thousandths of a CPU, memory is in bytes, None means that nothing is set.
    ``network`` is none, internal or routed; ``extra_networks`` are attached too. ``try_entrypoint``: another
    container starts by the image's ENTRYPOINT, which the contract promises and no job of the class starts with. ``tls_tools`` are tried in another container.
    """

    privileged: bool = False
    add_capabilities: tuple[str, ...] = ()
    no_new_privileges: bool = True
    seccomp_unconfined: bool = False
    cpu_limit: int | None = None
    cpu_request: int | None = None
    memory_limit: int | None = None
    memory_request: int | None = None
    pids_limit: int = DEFAULT_PIDS
    network: str = "none"
    extra_networks: tuple[str, ...] = ()
    daemon: DaemonPlan | None = None
    start: JobStart = DEFAULT_START
    try_entrypoint: bool = False
    tls_tools: tuple[str, ...] = ()

    @property
    def default_start(self) -> bool:
        """Whether the run's own shell, which waits, stands for the command of the pool's template."""
        return self.start == DEFAULT_START


def plan(contract: Contract, *, host_cpus: int, host_memory: int) -> LaunchPlan:
    """The plan of a class on a host of this capacity (CPUs, bytes).

    A limit above the capacity is lowered to it, because engines reject it; the clause is then unproven.
    """

    def first(kind: type, default: object = None) -> object:
        return next(iter(contract.promised(kind)), default)

    privileged, no_new_privileges, seccomp = first(Privileged), first(NoNewPrivileges), first(Seccomp)
    capabilities = first(Capabilities)
    cpu, cpu_request = first(CpuLimit), first(CpuRequest)
    memory, memory_request, pids = first(MemoryLimit), first(MemoryRequest), first(PidsLimit)
    egress, endpoint, ready = first(Egress), first(DaemonEndpoint), first(DaemonReady)
    networked = (
        egress or any(contract.promised(kind) for kind in (Resolves, Reaches, Responds, Denied)) or endpoint
    )
    network = "none"
    if networked:
        network = "routed" if isinstance(egress, Egress) and egress.allowed else "internal"
    memory_limit = min(memory.bytes, host_memory) if isinstance(memory, MemoryLimit) else None
    daemon = None
    if isinstance(endpoint, DaemonEndpoint) and isinstance(ready, DaemonReady):
        daemon = DaemonPlan(int(endpoint.endpoint.rpartition(":")[2]), ready.seconds)
    start = next(iter(contract.promised(JobStart)), DEFAULT_START)
    return LaunchPlan(
        privileged=isinstance(privileged, Privileged) and privileged.privileged,
        add_capabilities=capabilities.require if isinstance(capabilities, Capabilities) else (),
        no_new_privileges=not isinstance(no_new_privileges, NoNewPrivileges) or no_new_privileges.wanted,
        seccomp_unconfined=isinstance(seccomp, Seccomp) and not seccomp.filtered,
        cpu_limit=min(cpu.milli, host_cpus * 1000) if isinstance(cpu, CpuLimit) else None,
        cpu_request=cpu_request.milli if isinstance(cpu_request, CpuRequest) else None,
        memory_limit=memory_limit,
        memory_request=memory_request.bytes if isinstance(memory_request, MemoryRequest) else None,
        pids_limit=pids.most if isinstance(pids, PidsLimit) else DEFAULT_PIDS,
        network=network,
        daemon=daemon,
        start=start,
        tls_tools=tuple(tool.name for tool in contract.promised(TlsTool)),
        try_entrypoint=start.way is StartWay.REPLACED
        and any(promise.arguments for promise in contract.promised(ImageEntrypoint)),
    )
