"""Judges promises about what a job's processes inherit."""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.promises.process import (
    ProcessPromise,
    SharedMemory,
    Sysctl,
    Ulimit,
    Umask,
    WorkingDirectory,
)
from builder_contracts.contract.quantities import human_bytes
from builder_contracts.facts.model import NOT_ASKED, Facts, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept


def judge(promise: ProcessPromise, facts: Facts) -> Assessment:
    match promise:
        case WorkingDirectory():
            return _directory(promise, facts)
        case Umask():
            mask = facts.process.umask
            inspect = ".process.umask"
            if isinstance(mask, Unseen):
                return unproven_because(mask, inspect)
            if mask == promise.mask:
                return kept(f"umask {mask:04o}", inspect=inspect)
            return broken(f"umask {mask:04o}", "a wrapper or the runtime sets another mask", inspect=inspect)
        case Ulimit():
            return _ulimit(promise, facts)
        case Sysctl():
            return _sysctl(promise, facts)
        case SharedMemory():
            return _shared_memory(promise, facts)
        case _:
            assert_never(promise)


def _directory(promise: WorkingDirectory, facts: Facts) -> Assessment:
    inspect = ".process.directory"
    directory = facts.process.directory
    if isinstance(directory, Unseen):
        return unproven_because(directory, inspect)
    if directory.path != promise.path:
        return broken(
            f"jobs start in {directory.path}",
            "the image's WORKDIR or the pool's workingDir differs",
            inspect=inspect,
        )
    if not directory.exists or not directory.writable:
        return broken(
            f"{directory.path} {'is not writable' if directory.exists else 'does not exist'}",
            "a different user owns the directory; chown it",
            inspect=inspect,
        )
    return kept(f"{directory.path}, writable", inspect=inspect)


def _ulimit(promise: Ulimit, facts: Facts) -> Assessment:
    inspect = f".process.ulimits.{promise.name}"
    limits = facts.process.ulimits
    if isinstance(limits, Unseen):
        return unproven_because(limits, ".process.ulimits")
    if promise.name not in limits:
        return unproven_because(Unseen(f"the kernel shows no limit {promise.name}"), ".process.ulimits")
    limit = limits[promise.name]
    seen = f"{promise.name} {'unlimited' if limit is None else limit}"
    if promise.bounds.holds(limit):
        return kept(seen, inspect=inspect)
    return broken(seen, "the runtime's default-ulimits or a wrapper sets another limit", inspect=inspect)


def _sysctl(promise: Sysctl, facts: Facts) -> Assessment:
    inspect = f'.process.sysctls["{promise.name}"]'
    value = facts.process.sysctls.get(promise.name, NOT_ASKED)
    if isinstance(value, Unseen):
        return unproven_because(value, inspect)
    seen = f"{promise.name} = {value}"
    if promise.value is not None:
        holds = " ".join(value.split()) == " ".join(promise.value.split())
    else:
        holds = value.strip().isascii() and value.strip().isdigit() and promise.bounds.holds(int(value[:30]))
    if holds:
        return kept(seen, inspect=inspect)
    return broken(seen, "the node's kernel setting differs, or the pod's sysctls do", inspect=inspect)


def _shared_memory(promise: SharedMemory, facts: Facts) -> Assessment:
    inspect = ".process.shared_memory"
    memory = facts.process.shared_memory
    if isinstance(memory, Unseen):
        return unproven_because(memory, inspect)
    seen = f"/dev/shm of {human_bytes(memory.size)}, {'' if memory.writable else 'not '}writable"  # noqa: S108 # the runner's
    if memory.writable and memory.size >= promise.bytes:
        return kept(seen, inspect=inspect)
    return broken(
        seen, "--shm-size (Docker) or an emptyDir of medium Memory (Kubernetes) is missing", inspect=inspect
    )


def explain(promise: ProcessPromise) -> Explanation:
    match promise:
        case WorkingDirectory():
            return Explanation(
                how="The directory that a job's first process and its steps start in; the job's user must be able to create files there.",
                unproven=RUNNER_LOST + ".",
                why="Steps write relative paths; in a directory of somebody else, checkout fails.",
                breaks="A WORKDIR line before USER, which root then owns, or workingDir in the pool.",
                fix=f"Create {promise.path} for the job's user and make it the WORKDIR.",
            )
        case Umask():
            return Explanation(
                how="The umask of a job process, and of its steps.",
                unproven=RUNNER_LOST + ".",
                why="It decides who may read artifacts and caches that the job leaves behind.",
                breaks="A wrapper, a runtime or a file named by BASH_ENV that sets another mask.",
                fix=f"Set umask {promise.mask:04o} where the job starts.",
            )
        case Ulimit():
            return Explanation(
                how="The soft limit in /proc/self/limits of a job process, and of its steps.",
                unproven=f"{RUNNER_LOST}; or /proc is not readable.",
                why="Linkers, databases and JVMs fail in the middle of a build at a low limit; some tools take minutes at a huge one.",
                breaks="Another default of the container runtime or of its service unit.",
                fix="Set the runtime's default-ulimits, or ulimit in the job's wrapper.",
            )
        case Sysctl():
            return Explanation(
                how="The setting under /proc/sys, as a job reads it.",
                unproven=f"{RUNNER_LOST}; or the setting is not readable.",
                why="Debuggers, sandboxes and servers in tests depend on kernel settings of the node.",
                breaks="A node with another setting.",
                fix=f"Set {promise.name} on the node, or in the pod's securityContext.sysctls where it has a namespace.",
            )
        case SharedMemory():
            return Explanation(
                how="The size of the file system at /dev/shm, which the job must be able to write to.",
                unproven=f"{RUNNER_LOST}; the image lacks stat(1); or /dev/shm does not exist.",
                why="Browsers and databases in tests crash without enough shared memory.",
                breaks="The runtime's default of 64 MiB.",
                fix="Pass --shm-size (Docker), or mount an emptyDir of medium Memory there (Kubernetes).",
            )
        case _:
            assert_never(promise)
