"""Tier *rebuild*: a fresh runner gets the objects from the compiler cache, and they are identical."""

from __future__ import annotations

from builder_contracts.prove.check_result import CheckResult, failed, passed
from builder_contracts.prove.kernel.judge.step_failure import NotReached, require, require_success
from builder_contracts.prove.kernel.record import KernelBuild, KernelRecord
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.verdict import Measurement

RATE = 0.95
"""Of the cacheable calls: compiler calls that fail on purpose, as configure tests do, are never cached."""
RATIO = 1 / 3
"""Of the cold build's time."""


def _pair(record: KernelRecord) -> tuple[KernelBuild, KernelBuild]:
    warm, cold = require(record.warm), require(record.cold)
    if not cold.step.worked:
        raise NotReached(Unavailable("the cold build failed (see linux-xr-build)"))
    require_success(warm.step, warm)
    return cold, warm


def judge_hits(record: KernelRecord) -> CheckResult | Unavailable:
    cold, warm = _pair(record)
    server = require(record.server)
    if server.accepted == 0:
        return failed(
            f"the cache stored nothing from the cold build ({server.rejected} writes rejected)",
            "the cache's address or credential is wrong, or the compiler bypasses the cache",
        )
    hit = warm.cache.get("remote_storage_hit", 0)
    miss = warm.cache.get("cache_miss", 0)
    observed = f"{hit} of {hit + miss} compilations came from the cache"
    witness = (
        f"compiler cache: {hit} remote hits, {miss} misses; cold: {cold.cache.get('cache_miss', 0)} misses",
        f"server: {server.accepted} objects accepted from the writer, {server.served} served to the reader",
    )
    if hit + miss == 0:
        return failed(
            "the compiler bypassed the cache", "set CC to 'ccache gcc' for the whole build", witness
        )
    measures = (Measurement("cache_hit_ratio", hit / (hit + miss), RATE),)
    if hit < RATE * (hit + miss):
        return failed(
            f"{observed}, {hit / (hit + miss):.0%}, promised {RATE:.0%}",
            "compilations differ in paths, times or the compiler; set CCACHE_LOGFILE to see what",
            witness,
            measures,
        )
    if server.served == 0:
        return failed(
            f"{observed}, but the server served nothing to the reader",
            "a local cache served them",
            witness,
            measures,
        )
    return passed(f"{observed}, {hit / (hit + miss):.1%}", witnesses=witness, measures=measures)


def judge_objects(record: KernelRecord) -> CheckResult | Unavailable:
    cold, warm = _pair(record)
    if not cold.digests or not warm.digests or not cold.images or not warm.images:
        return Unavailable("one of the two builds recorded no digests")
    before, after = {**cold.digests, **cold.images}, {**warm.digests, **warm.images}
    differ = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if differ:
        more = f" and {len(differ) - 5} more" if len(differ) > 5 else ""
        return failed(
            f"{', '.join(differ[:5])}{more} differ from the cold build's",
            "a time, path or host name is compiled in, or the cache served a wrong object",
        )
    return passed(
        f"{len(cold.digests)} objects and {len(cold.images)} images are bit for bit identical",
        witnesses=tuple(f"{name} sha256:{digest}" for name, digest in cold.images.items()),
    )


def judge_time(record: KernelRecord) -> CheckResult | Unavailable:
    cold, warm = _pair(record)
    if cold.step.seconds <= 0:
        return Unavailable("the cold build has no recorded time to compare with")
    part = warm.step.seconds / cold.step.seconds
    observed = f"{warm.step.seconds:.0f} s, {part:.0%} of the cold build's {cold.step.seconds:.0f} s"
    measures = (Measurement("warm_seconds", warm.step.seconds, RATIO * cold.step.seconds),)
    if part > RATIO:
        return failed(
            observed,
            "the cache misses, or is slower than the compiler (see linux-xr-rebuild-hits)",
            measures=measures,
        )
    return passed(observed, measures=measures)


SHOWS = {"rebuild-hits": judge_hits, "rebuild-identical": judge_objects, "rebuild-time": judge_time}
