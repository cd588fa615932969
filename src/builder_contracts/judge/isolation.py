"""Judge promises about what a job can do to its host."""

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
from builder_contracts.judge.daemon import unreached
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.run_settings import set_by_run
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
    assessment = _judge(promise, facts)
    if isinstance(promise, Privileged | Capabilities | NoNewPrivileges | Seccomp):
        return set_by_run(assessment, facts)
    return assessment


def _judge(promise: IsolationPromise, facts: Facts) -> Assessment:
    isolation = facts.isolation
    match promise:
        case Privileged():
            return _privileged(promise, isolation)
        case Capabilities():
            return _capabilities(promise, isolation.bounding)
        case NoNewPrivileges():
            flag = isolation.no_new_privileges
            inspect = ".isolation.no_new_privileges"
            if isinstance(flag, Unseen):
                return unproven_because(flag, inspect)
            seen = f"no_new_privs is {int(flag)}"
            if flag == promise.wanted:
                return kept(seen, inspect=inspect)
            return broken(
                seen,
                "allowPrivilegeEscalation (Kubernetes) or no-new-privileges (Docker) does not match the contract",
                inspect=inspect,
            )
        case Seccomp():
            mode = isolation.seccomp
            inspect = ".isolation.seccomp"
            if isinstance(mode, Unseen):
                return unproven_because(mode, inspect)
            seen = "seccomp filter active" if mode == 2 else f"no seccomp filter (mode {mode})"
            if (mode == 2) == promise.filtered:
                return kept(seen, inspect=inspect)
            return broken(
                seen,
                "seccompProfile (Kubernetes) or seccomp= (Docker) does not match the contract",
                inspect=inspect,
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
    inspect = ".isolation.privileged"
    if isinstance(isolation.privileged, Unseen):
        return unproven_because(isolation.privileged, inspect)
    seen = "privileged" if isolation.privileged else "not privileged"
    if isolation.privileged == promise.privileged:
        return kept(seen, inspect=inspect)
    return broken(
        seen,
        "securityContext.privileged (Kubernetes) or --privileged (Docker) does not match the contract",
        inspect=inspect,
    )


def _capabilities(promise: Capabilities, bounding: Seen[int]) -> Assessment:
    inspect = ".isolation.bounding"
    if isinstance(bounding, Unseen):
        return unproven_because(bounding, inspect)
    held = names(bounding)
    seen = f"bounding set: {', '.join(held) or 'empty'}"
    extra = held if "ALL" in promise.forbid else [name for name in promise.forbid if name in held]
    missing = [name for name in promise.require if name not in held]
    if extra:
        return broken(seen, f"capabilities.drop does not list {', '.join(extra[:5])}", inspect=inspect)
    if missing:
        return broken(seen, f"capabilities.add does not list {', '.join(missing)}", inspect=inspect)
    return kept(seen, inspect=inspect)


def _socket(promise: DockerSocket, sockets: Seen[list[str]]) -> Assessment:
    inspect = ".isolation.sockets"
    if isinstance(sockets, Unseen):
        return unproven_because(sockets, inspect)
    sockets = [path for path in sockets if path]
    seen = ", ".join(sockets) or "no socket at the standard paths"
    if bool(sockets) == promise.present:
        return kept(seen, inspect=inspect)
    likely = (
        "a volume mounts the host's socket, so any job controls the host"
        if sockets
        else "the volume that shares the daemon's socket is missing"
    )
    return broken(seen, likely, inspect=inspect)


def _daemon(promise: DockerDaemon, facts: Facts) -> Assessment:
    inspect = ".daemon"
    daemon = facts.daemon
    if isinstance(daemon, Unseen):
        return unproven_because(daemon, inspect)
    if daemon.reachable == promise.reachable:
        return kept(
            daemon.how or ("a daemon responded" if daemon.reachable else "no daemon responded"),
            inspect=inspect,
        )
    likely = (
        "a socket, DOCKER_HOST or a sidecar exposes an unpromised daemon to jobs"
        if daemon.reachable
        else unreached(daemon.how)
    )
    return broken(daemon.how, likely, inspect=inspect)


def _device(promise: Device, facts: Facts) -> Assessment:
    inspect = f".paths[{json.dumps(promise.path)}]"
    path = facts.paths.get(promise.path, NOT_ASKED)
    if isinstance(path, Unseen):
        return unproven_because(path, inspect)
    is_device = path.type in ("character-device", "block-device")
    seen = f"a {path.type}" if path.type else "does not exist"
    if is_device == promise.present:
        return kept(seen, inspect=inspect)
    likely = (
        "the pool passes the device through" if is_device else "the pool does not pass the device through"
    )
    return broken(seen, likely, inspect=inspect)


def _ability(allowed: bool, attempt: Seen[AttemptFacts], inspect: str) -> Assessment:
    if isinstance(attempt, Unseen):
        return unproven_because(attempt, inspect)
    if attempt.worked == allowed:
        return kept(attempt.output or ("succeeded" if attempt.worked else "failed"), inspect=inspect)
    likely = (
        "seccomp, capabilities or user namespaces allow more than promised"
        if attempt.worked
        else "seccomp, capabilities or kernel settings block what is promised"
    )
    return broken(attempt.output, likely, inspect=inspect)


def explain(promise: IsolationPromise) -> Explanation:
    match promise:
        case Privileged():
            return Explanation(
                how="The engine's record of the container, or the pod's as the Kubernetes API returns it. "
                "On a real runner: writable sysfs and CAP_SYS_ADMIN in the bounding set.",
                unproven=f"{RUNNER_LOST}; or neither the engine nor sysfs reveals it.",
                why="A job in a privileged container controls the node.",
                breaks="privileged: true in the pool's template.",
                fix="Set securityContext.privileged (Kubernetes) or --privileged (Docker) as promised.",
            )
        case Capabilities():
            return Explanation(
                how="The bounding set in /proc/self/status of a job process; "
                "capabilities outside it cannot be gained, not even through setuid programs.",
                unproven=f"{RUNNER_LOST}; or /proc is not readable.",
                why="Each capability is a part of root's power available to a job, or to an attacker in one.",
                breaks="capabilities.drop does not list ALL, or capabilities.add lists too much.",
                fix="Set securityContext.capabilities (Kubernetes) or --cap-drop and --cap-add (Docker).",
            )
        case NoNewPrivileges():
            return Explanation(
                how="NoNewPrivs in /proc/self/status of a job process.",
                unproven=f"{RUNNER_LOST}; or /proc is not readable.",
                why="Without it, a setuid program in the image can make a job root; "
                "with it, sudo does not work.",
                breaks="allowPrivilegeEscalation left at its default.",
                fix="Set allowPrivilegeEscalation (Kubernetes) or --security-opt no-new-privileges (Docker).",
            )
        case Seccomp():
            return Explanation(
                how="Seccomp in /proc/self/status of a job process: 2 means a filter is active.",
                unproven=f"{RUNNER_LOST}; or /proc is not readable.",
                why="The filter blocks system calls that builds rarely need and exploits often use.",
                breaks="seccompProfile: Unconfined, Kubernetes' own default on many clusters.",
                fix="Set seccompProfile: RuntimeDefault (Kubernetes), or remove seccomp=unconfined (Docker).",
            )
        case DockerSocket():
            return Explanation(
                how="Sockets at the standard paths: /var/run/docker.sock, /run/docker.sock, /run/podman/podman.sock and the one under XDG_RUNTIME_DIR.",
                unproven=RUNNER_LOST + ".",
                why="Write access to the host engine's socket means control of the host.",
                breaks="A hostPath volume mounts the socket.",
                fix="Remove the volume, or add one that shares the daemon's socket if jobs should have it.",
            )
        case DockerDaemon():
            return Explanation(
                how="A job looks for an engine as the docker client does: DOCKER_HOST, the standard sockets, and ports 2375 and 2376 on localhost.",
                unproven=f"{RUNNER_LOST}; or the image has no tool to query a daemon.",
                why="An unpromised daemon is a way out of the container; "
                "a promised one that does not respond blocks every image build.",
                breaks="The sidecar is missing or does not listen on DOCKER_HOST; "
                "or a daemon runs on the host's network.",
                fix="Compare the sidecar's --host with the job's DOCKER_HOST; remove any unpromised daemon.",
            )
        case Device():
            return Explanation(
                how="Whether the path is a character or block device, as seen by the job's user.",
                unproven=f"{RUNNER_LOST}; or the user cannot search a parent directory.",
                why="Devices give access to hardware: some jobs need one (/dev/kvm), most must have none.",
                breaks="The pool passes the device through, or fails to.",
                fix=f"Add or remove {promise.path} in the pool's template, as promised.",
            )
        case Mount():
            return Explanation(
                how="The probe tries to mount a tmpfs, first as is, then as root of a user namespace, always in a separate mount namespace so that success has no effect.",
                unproven=f"{RUNNER_LOST}; or the image lacks unshare(1) or mount(8).",
                why="Mounting can expose hidden files; some builds (sandboxes, images) need it.",
                breaks="CAP_SYS_ADMIN, or a seccomp filter that allows mount(2) in a user namespace.",
                fix="Check capabilities, seccompProfile and kernel.unprivileged_userns_clone.",
            )
        case Unshare():
            return Explanation(
                how="The probe tries to create a user and a mount namespace with unshare(1).",
                unproven=f"{RUNNER_LOST}; or the image lacks unshare(1).",
                why="Build sandboxes (Nix, Bazel) need namespaces; "
                "user namespaces also expose most kernel bugs to unprivileged jobs.",
                breaks="A seccomp filter or kernel setting was loosened or tightened.",
                fix="Check seccompProfile, kernel.unprivileged_userns_clone and user.max_user_namespaces.",
            )
        case _:
            assert_never(promise)
