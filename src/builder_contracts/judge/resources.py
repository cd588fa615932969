"""Judge promises about CPU, memory and processes."""

from __future__ import annotations

import math
from typing import assert_never

from builder_contracts.contract.promises.resources import (
    CpuLimit,
    CpuRequest,
    MemoryLimit,
    MemoryRequest,
    PidsLimit,
    ResourcePromise,
)
from builder_contracts.contract.quantities import human_bytes, human_cpus
from builder_contracts.facts.model import Facts, PodFacts, RunnerFacts, Seen, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.run_settings import set_by_run
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept, unproven

_TEMPLATE = "the pool's template does not set the value: a misplaced key, or a default takes precedence"
_CGROUP_HIDDEN = "or the cgroup file is not visible to the job."


def judge(promise: ResourcePromise, facts: Facts) -> Assessment:
    return set_by_run(_judge(promise, facts), facts)


def _judge(promise: ResourcePromise, facts: Facts) -> Assessment:
    resources = facts.resources
    match promise:
        case CpuLimit():
            if isinstance(facts.runner, RunnerFacts) and 0 < facts.runner.cpus * 1000 < promise.milli:
                return _too_small(f"{facts.runner.cpus} CPUs", promise.text)
            return _amount(promise.milli, resources.cpu, human_cpus, ".resources.cpu")
        case MemoryLimit():
            if isinstance(facts.runner, RunnerFacts) and 0 < facts.runner.memory < promise.bytes:
                return _too_small(f"{human_bytes(facts.runner.memory)} of memory", promise.text)
            return _amount(promise.bytes, resources.memory, human_bytes, ".resources.memory")
        case MemoryRequest():
            reserved, inspect = resources.memory_reserved, ".resources.memory_reserved"
            if reserved is None and _in_pod(facts):
                # Only the scheduler uses it: the kubelet writes it into no cgroup that a container sees.
                pod, inspect = facts.pod, ".pod.memory_request"
                reserved = pod.memory_request if isinstance(pod, PodFacts) else pod
            return _amount(promise.bytes, reserved, human_bytes, inspect, unset="no memory request is set")
        case PidsLimit():
            if resources.pids is None and _in_pod(facts):
                return unproven(_NO_PIDS, provable_here=False, inspect=".resources.pids")
            return _amount(promise.most, resources.pids, str, ".resources.pids")
        case CpuRequest():
            return _share(promise, facts)
        case _:
            assert_never(promise)


_NO_PIDS = "the kubelet's podPidsLimit is at the pod's cgroup, which its containers cannot see"


def _in_pod(facts: Facts) -> bool:
    return isinstance(facts.runner, RunnerFacts) and facts.runner.kind == "kubernetes"


def _too_small(has: str, promised: str) -> Assessment:
    return unproven(
        f"the host has {has}, less than the promised {promised}", provable_here=False, inspect=".runner"
    )


def _amount(
    promised: int, seen: Seen[int | None], show: object, inspect: str, *, unset: str = "no limit is set"
) -> Assessment:
    assert callable(show)
    if isinstance(seen, Unseen):
        return unproven_because(seen, inspect)
    if seen is None:
        return broken(unset, _TEMPLATE, inspect=inspect)
    # The kernel rounds memory to pages and CPU time to periods.
    if abs(seen - promised) * 100 <= max(seen, promised):
        return kept(str(show(seen)), inspect=inspect)
    likely = "jobs fail under load" if seen < promised else "jobs can exceed their share"
    return broken(f"{show(seen)}", f"{_TEMPLATE}; {likely}", inspect=inspect)


def shares(milli: int) -> int:
    """The cgroup v1 shares that Kubernetes and Docker give for a request: 1024 per CPU, at least 2."""
    return max(2, milli * 1024 // 1000)


def weights(milli: int) -> set[int]:
    """The cgroup v2 weights that runtimes give for a request.

    Source: runc's ConvertCPUSharesToCgroupV2Value, first the linear mapping of [2, 262144] to [1, 10000],
    then the logarithmic one of newer releases, which keeps 1024 shares at the default weight of 100.
    """
    amount = shares(milli)
    linear = 1 + (amount - 2) * 9999 // 262142
    log = math.log2(amount)
    logarithmic = math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34))
    return {linear, logarithmic}


def _share(promise: CpuRequest, facts: Facts) -> Assessment:
    by_shares, by_weight = facts.resources.cpu_shares, facts.resources.cpu_weight
    inspect = ".resources"
    if not isinstance(by_shares, Unseen) and by_shares is not None:
        expected = {shares(promise.milli)}
        seen, scale = by_shares, "cpu.shares"
    elif not isinstance(by_weight, Unseen) and by_weight is not None:
        expected = weights(promise.milli)
        seen, scale = by_weight, "cpu.weight"
    else:
        return unproven_because(
            by_shares if isinstance(by_shares, Unseen) else Unseen("no cpu cgroup controller"), inspect
        )
    if any(abs(seen - number) <= 1 for number in expected):
        return kept(f"{scale} {seen}", inspect=inspect)
    return broken(
        f"{scale} {seen}, expected {' or '.join(map(str, sorted(expected)))}", _TEMPLATE, inspect=inspect
    )


def explain(promise: ResourcePromise) -> Explanation:
    match promise:
        case CpuLimit():
            return Explanation(
                how="The quota in the job's cgroup (cpu.max; "
                "cpu.cfs_quota_us and cpu.cfs_period_us on cgroup v1), within 1%.",
                unproven=f"{RUNNER_LOST}; {_CGROUP_HIDDEN} Skipped on a host with fewer CPUs than the limit.",
                why="Build tools scale to it; without a limit, one job starves its neighbours.",
                breaks="A template whose resources are not applied to the pod.",
                fix=f"Set resources.limits.cpu of the runner container to {human_cpus(promise.milli)}.",
            )
        case CpuRequest():
            return Explanation(
                how="The relative share in the job's cgroup: cpu.shares on cgroup v1 (1024 per CPU), cpu.weight on v2, in either of the mappings that container runtimes use.",
                unproven=f"{RUNNER_LOST}; {_CGROUP_HIDDEN}",
                why="This is a job's share when the node is full.",
                breaks="A template whose resources are not applied to the pod.",
                fix=f"Set resources.requests.cpu of the runner container to {human_cpus(promise.milli)}.",
            )
        case MemoryLimit():
            return Explanation(
                how="The limit in the job's cgroup (memory.max; "
                "memory.limit_in_bytes on cgroup v1), within 1%.",
                unproven=f"{RUNNER_LOST}; {_CGROUP_HIDDEN} Skipped on a host with less memory than the limit.",
                why="Above it, the kernel kills the largest process, often the linker in the last minute of a build.",
                breaks="A misplaced key in a values file, so the chart's default applies.",
                fix=f"Set resources.limits.memory of the runner container to {human_bytes(promise.bytes)}.",
            )
        case MemoryRequest():
            return Explanation(
                how="The reservation in the job's cgroup (memory.low; "
                "memory.soft_limit_in_bytes on cgroup v1), within 1%; in a pod whose cgroup has none, the container's "
                "resources.requests.memory as the Kubernetes API returns it.",
                unproven=f"{RUNNER_LOST}; {_CGROUP_HIDDEN}",
                why="Unreserved memory goes to other pods when the node runs out.",
                breaks="A template whose resources are not applied to the pod.",
                fix=f"Set resources.requests.memory of the runner container to {human_bytes(promise.bytes)}.",
            )
        case PidsLimit():
            return Explanation(
                how="pids.max in the job's cgroup.",
                unproven=f"{RUNNER_LOST}; {_CGROUP_HIDDEN} Skipped in a pod whose own cgroup has none.",
                why="A fork bomb, or a build that starts one process per file, takes down the node.",
                breaks="A runtime without a process limit.",
                fix=f"Set the kubelet's podPidsLimit, or --pids-limit {promise.most} (Docker).",
            )
        case _:
            assert_never(promise)
