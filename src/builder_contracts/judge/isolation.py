"""Judges promises about what a job can do to its host."""

from __future__ import annotations

import json
from typing import assert_never

from builder_contracts.contract.promises.isolation import (
    Capabilities,
    Device,
    DockerDaemon,
    DockerSocket,
    IsolationPromise,
    Mount,
    NoNewPrivileges,
    Privileged,
    Seccomp,
    Unshare,
)
from builder_contracts.facts.model import NOT_ASKED, AttemptFacts, Facts, IsolationFacts, Seen, Unseen
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept

# Bit numbers of Linux capabilities. Source: include/uapi/linux/capability.h.
CAPABILITIES = """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
    SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG
    MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM
    BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
""".split()


def names(mask: int) -> list[str]:
    """The capabilities in a bit mask; bits without a name are shown by number."""
    return [
        CAPABILITIES[bit] if bit < len(CAPABILITIES) else f"bit {bit}"
        for bit in range(mask.bit_length())
        if mask & (1 << bit)
    ]


def judge(promise: IsolationPromise, facts: Facts) -> Assessment:
    isolation = facts.isolation
    match promise:
        case Privileged():
            return _privileged(promise, isolation)
        case Capabilities():
            return _capabilities(promise, isolation.bounding)
        case NoNewPrivileges():
            flag = isolation.no_new_privileges
            look = ".isolation.no_new_privileges"
            if isinstance(flag, Unseen):
                return unproven_because(flag, look)
            seen = f"no_new_privs is {int(flag)}"
            if flag == promise.wanted:
                return kept(seen, look=look)
            return broken(
                seen,
                "allowPrivilegeEscalation (Kubernetes) or no-new-privileges (Docker) is not as promised",
                look=look,
            )
        case Seccomp():
            mode = isolation.seccomp
            look = ".isolation.seccomp"
            if isinstance(mode, Unseen):
                return unproven_because(mode, look)
            seen = "a filter is on" if mode == 2 else f"seccomp mode {mode}: no filter"
            if (mode == 2) == promise.filtered:
                return kept(seen, look=look)
            return broken(
                seen, "seccompProfile (Kubernetes) or seccomp= (Docker) is not as promised", look=look
            )
        case DockerSocket():
            return _socket(promise, isolation.sockets)
        case DockerDaemon():
            return _daemon(promise, facts)
        case Device():
            return _device(promise, facts)
        case Mount():
            return _ability(promise.allowed, isolation.mount, ".isolation.mount")
        case Unshare():
            return _ability(promise.allowed, isolation.unshare, ".isolation.unshare")
        case _:
            assert_never(promise)


def _privileged(promise: Privileged, isolation: IsolationFacts) -> Assessment:
    look = ".isolation.privileged"
    if isinstance(isolation.privileged, Unseen):
        return unproven_because(isolation.privileged, look)
    seen = "privileged" if isolation.privileged else "not privileged"
    if isolation.privileged == promise.privileged:
        return kept(seen, look=look)
    return broken(
        seen, "securityContext.privileged (Kubernetes) or --privileged (Docker) is not as promised", look=look
    )


def _capabilities(promise: Capabilities, bounding: Seen[int]) -> Assessment:
    look = ".isolation.bounding"
    if isinstance(bounding, Unseen):
        return unproven_because(bounding, look)
    held = names(bounding)
    seen = f"bounding set: {', '.join(held) or 'empty'}"
    extra = held if "ALL" in promise.forbid else [name for name in promise.forbid if name in held]
    missing = [name for name in promise.require if name not in held]
    if extra:
        return broken(seen, f"capabilities.drop does not name {', '.join(extra[:5])}", look=look)
    if missing:
        return broken(seen, f"capabilities.add does not name {', '.join(missing)}", look=look)
    return kept(seen, look=look)


def _socket(promise: DockerSocket, sockets: Seen[list[str]]) -> Assessment:
    look = ".isolation.sockets"
    if isinstance(sockets, Unseen):
        return unproven_because(sockets, look)
    sockets = [path for path in sockets if path]
    seen = ", ".join(sockets) or "no socket at the usual paths"
    if bool(sockets) == promise.present:
        return kept(seen, look=look)
    likely = (
        "a volume mounts the host's socket: whoever runs a job owns the host"
        if sockets
        else "the volume that shares the daemon's socket is missing"
    )
    return broken(seen, likely, look=look)


def _daemon(promise: DockerDaemon, facts: Facts) -> Assessment:
    look = ".daemon"
    daemon = facts.daemon
    if isinstance(daemon, Unseen):
        return unproven_because(daemon, look)
    if daemon.reachable == promise.reachable:
        return kept(daemon.how or ("a daemon answered" if daemon.reachable else "none answered"), look=look)
    likely = (
        "a socket, a DOCKER_HOST variable or a sidecar gives jobs a daemon that was not promised"
        if daemon.reachable
        else "the daemon did not start, or listens elsewhere than DOCKER_HOST says"
    )
    return broken(daemon.how, likely, look=look)


def _device(promise: Device, facts: Facts) -> Assessment:
    look = f".paths[{json.dumps(promise.path)}]"
    path = facts.paths.get(promise.path, NOT_ASKED)
    if isinstance(path, Unseen):
        return unproven_because(path, look)
    is_device = path.type in ("character-device", "block-device")
    seen = f"a {path.type}" if path.type else "nothing there"
    if is_device == promise.present:
        return kept(seen, look=look)
    likely = "the pool passes the device through" if is_device else "the device is not passed through"
    return broken(seen, likely, look=look)


def _ability(allowed: bool, attempt: Seen[AttemptFacts], look: str) -> Assessment:
    if isinstance(attempt, Unseen):
        return unproven_because(attempt, look)
    if attempt.worked == allowed:
        return kept(attempt.said or ("it worked" if attempt.worked else "it failed"), look=look)
    likely = (
        "seccomp, capabilities or user namespaces give jobs more than was promised"
        if attempt.worked
        else "seccomp, capabilities or kernel settings forbid what was promised"
    )
    return broken(attempt.said, likely, look=look)
