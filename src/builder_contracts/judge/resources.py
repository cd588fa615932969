"""Judges promises about CPU, memory and processes."""

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
from builder_contracts.facts.model import Facts, RunnerFacts, Seen, Unseen
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept, unproven

_TEMPLATE = "the pool's template does not carry the value: a key in the wrong place, or a default that won"


def judge(promise: ResourcePromise, facts: Facts) -> Assessment:
    resources = facts.resources
    match promise:
        case CpuLimit():
            if isinstance(facts.runner, RunnerFacts) and facts.runner.cpus * 1000 < promise.milli:
                return _too_small(f"{facts.runner.cpus} CPUs", promise.text)
            return _amount(promise.milli, resources.cpu, human_cpus, ".resources.cpu")
        case MemoryLimit():
            if isinstance(facts.runner, RunnerFacts) and facts.runner.memory < promise.bytes:
                return _too_small(f"{human_bytes(facts.runner.memory)} of memory", promise.text)
            return _amount(promise.bytes, resources.memory, human_bytes, ".resources.memory")
        case MemoryRequest():
            return _amount(
                promise.bytes, resources.memory_reserved, human_bytes, ".resources.memory_reserved"
            )
        case PidsLimit():
            return _amount(promise.most, resources.pids, str, ".resources.pids")
        case CpuRequest():
            return _share(promise, facts)
        case _:
            assert_never(promise)


def _too_small(has: str, promised: str) -> Assessment:
    return unproven(f"the host has {has}, less than the promised {promised}", here=False, look=".runner")


def _amount(promised: int, seen: Seen[int | None], show: object, look: str) -> Assessment:
    assert callable(show)
    if isinstance(seen, Unseen):
        return unproven_because(seen, look)
    if seen is None:
        return broken("no limit is set", _TEMPLATE, look=look)
    # The kernel rounds memory to pages and CPU time to periods.
    if math.isclose(seen, promised, rel_tol=0.01):
        return kept(str(show(seen)), look=look)
    likely = "jobs die of it under load" if seen < promised else "jobs can take more than their share"
    return broken(f"{show(seen)}", f"{_TEMPLATE}; {likely}", look=look)


def shares(milli: int) -> int:
    """The cgroup v1 shares that Kubernetes and Docker give for a request: 1024 a CPU, at least 2."""
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
    look = ".resources"
    if not isinstance(by_shares, Unseen) and by_shares is not None:
        wanted = {shares(promise.milli)}
        seen, scale = by_shares, "cpu.shares"
    elif not isinstance(by_weight, Unseen) and by_weight is not None:
        wanted = weights(promise.milli)
        seen, scale = by_weight, "cpu.weight"
    else:
        return unproven_because(
            by_shares if isinstance(by_shares, Unseen) else Unseen("no cpu controller"), look
        )
    if any(abs(seen - want) <= 1 for want in wanted):
        return kept(f"{scale} {seen}", look=look)
    return broken(f"{scale} {seen} instead of {' or '.join(map(str, sorted(wanted)))}", _TEMPLATE, look=look)
