"""Tier *rebuild*: a fresh runner takes the objects from the compiler cache, and they are the same."""

from __future__ import annotations

from builder_contracts.prove.kernel.judge.step_failure import failure
from builder_contracts.prove.kernel.record import KernelBuild, KernelRecord
from builder_contracts.prove.records import CheckResult, Unavailable
from builder_contracts.verdict import Measurement

RATE = 0.95
"""Of the cacheable calls: compiler calls that fail on purpose, as configure tests do, are never cached."""
RATIO = 1 / 3
"""Of the cold build's time."""


def _pair(record: KernelRecord) -> tuple[KernelBuild, KernelBuild] | CheckResult | Unavailable:
    if isinstance(record.warm, Unavailable):
        return record.warm
    if isinstance(record.cold, Unavailable):
        return record.cold
    return failure(record.warm.step, record.warm) or (record.cold, record.warm)


def hits(record: KernelRecord) -> CheckResult | Unavailable:
    pair = _pair(record)
    if not isinstance(pair, tuple):
        return pair
    if isinstance(record.server, Unavailable):
        return record.server
    cold, warm = pair
    if record.server.taken == 0:
        return CheckResult(
            False,
            f"the cache took nothing from the cold build ({record.server.refused} writes refused)",
            "the cache's address or credential is wrong, or the compiler is called around the cache",
        )
    hit = warm.cache.get("remote_storage_hit", 0)
    miss = warm.cache.get("cache_miss", 0)
    said = f"{hit} of {hit + miss} compilations came from the cache"
    witness = (
        f"the compiler cache: {hit} remote hits, {miss} misses; cold: {cold.cache.get('cache_miss', 0)} misses",
        f"the server: {record.server.taken} objects taken from the writer, {record.server.given} given to the reader",
    )
    if hit + miss == 0:
        return CheckResult(
            False,
            "the compiler was never called through the cache",
            "CC must be 'ccache gcc' for all of the build",
            witness,
        )
    measures = (Measurement("cache_hit_ratio", hit / (hit + miss), RATE),)
    if hit < RATE * (hit + miss):
        return CheckResult(
            False,
            f"{said}, {hit / (hit + miss):.0%} where {RATE:.0%} is promised",
            "something in each compilation differs: paths, times, the compiler itself; CCACHE_LOGFILE tells what",
            witness,
            measures,
        )
    if record.server.given == 0:
        return CheckResult(
            False,
            f"{said}, but the server gave nothing to the reader",
            "a local cache answered",
            witness,
            measures,
        )
    return CheckResult(True, f"{said}, {hit / (hit + miss):.1%}", witnesses=witness, measures=measures)


def identical(record: KernelRecord) -> CheckResult | Unavailable:
    pair = _pair(record)
    if not isinstance(pair, tuple):
        return pair
    cold, warm = pair
    if not cold.digests or not warm.digests or not cold.images:
        return Unavailable("one of the two builds left no digests")
    both = {**cold.digests, **cold.images}, {**warm.digests, **warm.images}
    differ = sorted(
        name for name in both[0].keys() | both[1].keys() if both[0].get(name) != both[1].get(name)
    )
    if differ:
        more = f" and {len(differ) - 5} more" if len(differ) > 5 else ""
        return CheckResult(
            False,
            f"{', '.join(differ[:5])}{more} differ from the cold build's",
            "a time, a path or a host name is compiled in, or the cache gave a wrong object",
        )
    return CheckResult(
        True,
        f"{len(cold.digests)} objects and {len(cold.images)} images are identical, bit for bit",
        witnesses=tuple(f"{name} sha256:{digest}" for name, digest in cold.images.items()),
    )


def ratio(record: KernelRecord) -> CheckResult | Unavailable:
    pair = _pair(record)
    if not isinstance(pair, tuple):
        return pair
    cold, warm = pair
    if cold.step.seconds <= 0 or not cold.step.worked:
        return Unavailable("the cold build has no time to compare with")
    part = warm.step.seconds / cold.step.seconds
    said = f"{warm.step.seconds:.0f} s, {part:.0%} of the cold build's {cold.step.seconds:.0f} s"
    measures = (Measurement("warm_seconds", warm.step.seconds, RATIO * cold.step.seconds),)
    if part > RATIO:
        return CheckResult(
            False,
            said,
            "the cache misses, or answers more slowly than the compiler: see linux-xr-rebuild-hits",
            measures=measures,
        )
    return CheckResult(True, said, measures=measures)


SHOWS = {
    "rebuild-hits": hits,
    "rebuild-identical": identical,
    "rebuild-time": ratio,
}
