"""Each tier breaks for the right reason, and only that tier."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.kernel import judge as tiers
from builder_contracts.prove.kernel.record import Boot, CacheServer, KernelBuild, KernelRecord, TierStep
from builder_contracts.prove.unavailable import Unavailable

from . import records
from .records import CONSOLE, LIMIT, NONCE, RELEASE, build, cache, measured, step

Change = Callable[[KernelRecord], dict[str, Any]]


def broken(record: KernelRecord) -> dict[str, str]:
    return {
        name: results.observed
        for name, results in tiers.judge(record).items()
        if isinstance(results, CheckResult) and not results.good
    }


def lost(record: KernelRecord) -> dict[str, Unavailable]:
    return {
        name: results for name, results in tiers.judge(record).items() if isinstance(results, Unavailable)
    }


def changed(**changes: Any) -> KernelRecord:
    return dataclasses.replace(records.good(), **changes)


def booted(console: str, status: int | None = 0, **rest: Any) -> Boot:
    return Boot(TierStep("boot", status, console, "", 4.0, 120.0, **rest), NONCE, "the package")


def built(**changes: Any) -> KernelBuild:
    cold = records.good().cold
    assert isinstance(cold, KernelBuild)
    return dataclasses.replace(cold, **changes)


def packaged(**changes: Any) -> TierStep:
    package = records.good().package
    assert isinstance(package, TierStep)
    return step("package", {**package.objects()[0], **changes})


def test_good_run_keeps_every_clause() -> None:
    results = tiers.judge(records.good())
    assert not broken(records.good())
    assert not lost(records.good())
    assert all(isinstance(finding, CheckResult) and finding.observed for finding in results.values())


REFUSED = step(
    "patch",
    {"patch": "0001.patch", "status": 0, "said": "patching file a"},
    {"patch": "0002.patch", "status": 1, "said": "Hunk #1 FAILED at 255."},
    status=1,
)
DROPPED = step(
    "configure",
    {"fragment": "xr.config", "text": "CONFIG_DRM=y\nCONFIG_TMPFS=y\nCONFIG_PREEMPT_RT=y\n"},
    {"config": records.CONFIG, "release": RELEASE},
)
NOT_TAKEN = step(
    "configure",
    {"fragment": "a.config", "text": "# CONFIG_DRM is not set\n"},
    {"fragment": "b.config", "text": "CONFIG_PREEMPT_RT=m\n"},
    {"config": records.CONFIG, "release": RELEASE},
)
NO_COMPILER = build(
    measured("prepare", status=2),
    status=1,
    stderr='ccache: error: Could not find compiler "gcc-99" in PATH\nmake: *** Error 2\n',
)
NO_FLEX = build(measured("prepare", status=2), status=1, stderr="make[3]: flex: No such file or directory\n")
KILLED = build(
    measured("prepare", limit=64 * 2**20),
    measured("compile", limit=64 * 2**20, peak=60 * 2**20, oom_kills=2, status=2),
    status=1, stderr="gcc: fatal error: Killed signal terminated program cc1\n",
)  # fmt: skip

DEFECTS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "an option that cannot be set": ({"configure": DROPPED}, {"configure": "CONFIG_TMPFS=y (xr.config) resolved to absent"}),
    "an option that is on though it was to be off": (
        {"configure": NOT_TAKEN},
        {"configure": "CONFIG_DRM=n (a.config) resolved to y; CONFIG_PREEMPT_RT=m (b.config) resolved to y"},
    ),
    "fragments that ask for nothing": (
        {"configure": step("configure", {"fragment": "a", "text": "# nothing\n"}, {"config": records.CONFIG, "release": RELEASE})},
        {"configure": "the fragments request no options"},
    ),
    "a patch that does not apply": ({"patches": REFUSED}, {"patches": "patch 2 of the series, 0002.patch, does not apply: Hunk #1 FAILED"}),
    "an empty series": ({"patches": step("patch")}, {"patches": "the series is empty"}),
    "a compiler that is missing": ({"cold": NO_COMPILER}, {"build": "gcc-99 is not in the image"}),
    "a tool that is missing": ({"cold": NO_FLEX}, {"build": "flex is not in the image"}),
    "a memory limit that is too low": (
        {"cold": KILLED, "limit": 64 * 2**20},
        {
            "build": "killed during compile at the memory limit of 64Mi, peak 300Mi",
            "memory": "2 processes were killed at the limit of 64Mi",
        },
    ),
    "a link step that just fits": (
        {"limit": 256 * 2**20, "cold": build(*(measured(part, limit=256 * 2**20, peak=240 * 2**20) for part in ("compile", "link")), *build().step.objects()[-2:], seconds=150.0)},
        {"memory-link": "this exceeds 90% of the 256Mi limit"},
    ),
    "a build that writes outside its tree": (
        {"cold": built(strays=("/home/runner/.cache/x",))},
        {"build-confined": "wrote /home/runner/.cache/x"},
    ),
    "a build that leaves no image": ({"cold": build(measured("link"), {"digests": {}}, seconds=150.0)}, {"build": "produced no image"}),
    "a build that never ends": (
        {"cold": build(status=None, ended="no exit within 100 s", stderr="  CC kernel/fork.o\n")},
        {"build": "exceeded its budget of 100 s: CC kernel/fork.o"},
    ),
    "a cache that never hits": (
        {"warm": KernelBuild(step("compile", *build().step.objects(), cache(cache_miss=1010), seconds=150.0))},
        {"rebuild-hits": "0 of 1010 compilations came from the cache, 0%", "rebuild-time": "100% of the cold build's"},
    ),
    "a cache that takes nothing": (
        {"server": CacheServer(accepted=0, served=0, rejected=12)},
        {"rebuild-hits": "the cache stored nothing from the cold build (12 writes rejected)"},
    ),
    "hits that no server gave": (
        {"server": CacheServer(accepted=2000, served=0, rejected=0)},
        {"rebuild-hits": "but the server served nothing to the reader"},
    ),
    "a compiler called around the cache": (
        {"warm": build(seconds=2.0)},
        {"rebuild-hits": "the compiler bypassed the cache"},
    ),
    "a rebuild with another object": (
        {"warm": KernelBuild(step("compile", {"digests": {"kernel/fork.o": "XX", "lib/string.o": "bb"}}, {"images": {"vmlinux": "cc", "arch/x86/boot/bzImage": "dd"}}, cache(remote_storage_hit=1000), seconds=40.0))},
        {"rebuild-identical": "kernel/fork.o differ from the cold build's"},
    ),
    "a rebuild that lacks an object": (
        {"warm": KernelBuild(step("compile", {"digests": {"lib/string.o": "bb"}}, {"images": {"vmlinux": "cc", "arch/x86/boot/bzImage": "dd"}}, cache(remote_storage_hit=1000), seconds=40.0))},
        {"rebuild-identical": "kernel/fork.o differ from the cold build's"},
    ),
    "a rebuild with an object more": (
        {"warm": KernelBuild(step("compile", {"digests": {"kernel/fork.o": "aa", "lib/string.o": "bb", "lib/more.o": "ee"}}, {"images": {"vmlinux": "cc", "arch/x86/boot/bzImage": "dd"}}, cache(remote_storage_hit=1000), seconds=40.0))},
        {"rebuild-identical": "lib/more.o differ from the cold build's"},
    ),
    "a rebuild with another image": (
        {"warm": KernelBuild(step("compile", {"digests": {"kernel/fork.o": "aa", "lib/string.o": "bb"}}, {"images": {"vmlinux": "cc", "arch/x86/boot/bzImage": "XX"}}, cache(remote_storage_hit=1000), seconds=40.0))},
        {"rebuild-identical": "arch/x86/boot/bzImage differ from the cold build's"},
    ),
    "an RPM with the wrong name": (
        {"package": packaged(version="7.2.13_1.xr.el10", release="1", file="kernel-7.2.13_1.xr.el10-1.x86_64.rpm")},
        {"package": "kernel-7.2.13_1.xr.el10-1.x86_64.rpm, version 7.2.13_1.xr.el10, release 1; promised kernel-7.2.13-1.xr.el10.x86_64.rpm"},
    ),
    "an RPM of something else": ({"package": packaged(package="linux")}, dict.fromkeys(("package", "package-release", "package-complete"), "no package is named kernel: linux")),
    "an RPM that names the builder": (
        {"package": packaged(named=["./lib/modules/x/build -> /home/runner/linux-xr/build"])},
        {"package-complete": "contains paths that exist only on the builder"},
    ),
    "an RPM without symbols": (
        {"package": packaged(files=[f"/lib/modules/{RELEASE}/vmlinuz", "/boot/config"])},
        {"package-complete": "System.map is not in kernel-"},
    ),
    "a release of another scheme": (
        {"configure": step("configure", {"fragment": "a", "text": records.FRAGMENT}, {"config": records.CONFIG, "release": "7.2.13"})},
        {"package-release": "the build reports release '7.2.13'; promised 7.2.13-1.xr.el10"},
    ),
    "a kernel that panics": (
        {"boot": booted("[ 1.0] Kernel panic - not syncing: VFS: Unable to mount root fs\n")},
        {"boot": "panic: Kernel panic - not syncing: VFS: Unable to mount root fs"},
    ),
    "a kernel that panics after the marker": (
        {"boot": booted(CONSOLE + "Kernel panic - not syncing: Attempted to kill init!\n")},
        {"boot": "panic: Kernel panic - not syncing: Attempted to kill init!"},
    ),
    "a kernel that hangs": (
        {"boot": booted("[ 0.1] Booting\n[ 0.2] Waiting for root device\n", status=124)},
        {"boot": "hung: still running after 120 s; last output: [ 0.2] Waiting for root device"},
    ),
    "a kernel without the marker": (
        {"boot": booted("[ 0.1] Booting\n[ 0.9] reboot: Restarting system\n")},
        {"boot": "no marker: the machine shut down before init finished"},
    ),
    "an init that never completes": (
        {"boot": booted(CONSOLE.replace(f"LINUX-XR {NONCE} end", "[ 2.0] still busy"))},
        {"boot": "no marker: the machine shut down before init finished"},
    ),
    "an init that never begins": (
        {"boot": booted(CONSOLE.replace(f"LINUX-XR {NONCE} begin", "[ 0.5] nothing"))},
        {"boot": "no marker: the machine shut down before init finished"},
    ),
    "a marker of another run": (
        {"boot": booted(CONSOLE.replace(NONCE, "f" * 16))},
        {"boot": "no marker"},
    ),
    "a kernel of the wrong version": (
        {"boot": booted(CONSOLE.replace(f"release {RELEASE}", "release 6.12.1"))},
        {"boot-release": "uname -r reports '6.12.1'; promised 7.2.13-1.xr.el10"},
    ),
    "a kernel of an older run": (
        {"boot": booted(CONSOLE.replace(f"builder-{NONCE}", "builder-old"))},
        {"boot-release": "not in this run"},
    ),
    "a kernel that is not real-time": (
        {"boot": booted(CONSOLE.replace("SMP PREEMPT_RT", "SMP PREEMPT"))},
        {"boot-realtime": "without PREEMPT_RT"},
    ),
    "a kernel with another configuration": (
        {"boot": booted(CONSOLE.replace(f"LINUX-XR {NONCE} config CONFIG_DRM=y\n", ""))},
        {"boot-configured": "CONFIG_DRM differ between /proc/config.gz and the build"},
    ),
    "a kernel without config.gz": (
        {"boot": booted("\n".join(line for line in CONSOLE.splitlines() if " config " not in line))},
        {"boot-configured": "the kernel has no /proc/config.gz"},
    ),
    "a kernel without HID devices": (
        {"boot": booted(CONSOLE.replace(" hid ", " hidden ").replace(" hidraw ", " hidden "))},
        {"boot-devices": "sysfs lists no device of hid, hidraw"},
    ),
    "a kernel without the patch": (
        {"boot": booted(CONSOLE.replace("Non-desktop", "Desktop"))},
        {"boot-quirk": "the kernel log lacks 'Non-desktop display'"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("defect", DEFECTS)
def test_defect_breaks_only_its_own_clauses(defect: str) -> None:
    changes, expected = DEFECTS[defect]
    results = broken(changed(**changes))
    assert results.keys() == expected.keys()
    for name, reason in expected.items():
        assert reason in results[name]


def test_every_clause_has_a_defect() -> None:
    assert {name for _, expected in DEFECTS.values() for name in expected} == set(tiers.SHOWS)


def test_unreached_tiers_are_unproven_with_the_reason() -> None:
    reason = Unavailable("the patch series does not apply (see linux-xr-patches)")
    record = changed(
        patches=REFUSED, **dict.fromkeys(("configure", "cold", "warm", "server", "package", "boot"), reason)
    )
    assert set(broken(record)) == {"patches"}
    assert {results.reason for results in lost(record).values()} == {reason.reason}
    assert set(lost(record)) == set(tiers.SHOWS) - {"patches"}


def test_kernel_that_did_not_boot_leaves_its_reports_unproven() -> None:
    record = changed(boot=booted("Kernel panic - not syncing: x\n"))
    assert set(lost(record)) == {name for name in tiers.TIERS["boot"] if name != "boot"}


def test_lost_emulator_is_unproven() -> None:
    record = changed(boot=booted("", status=None, ended="the engine lost the command: gone"))
    assert not broken(record)
    assert "the emulator did not complete" in lost(record)["boot"].reason


def test_failing_emulator_is_unproven() -> None:
    record = changed(boot=booted("", status=127))
    assert not broken(record)
    assert "status 127" in lost(record)["boot"].reason


LOST_STEPS = (
    "the engine lost the command: Connection aborted",
    "the container died with status 137",
    "the run was stopped",
)


@pytest.mark.parametrize("ended", LOST_STEPS)
@pytest.mark.parametrize(
    ("tier", "clauses"),
    [
        ("patches", {"patches"}),
        ("configure", {"configure", "package-release", "boot-configured"}),
        ("cold", {"build", "build-confined", "memory", "rebuild-hits", "rebuild-identical", "rebuild-time"}),
        ("warm", {"rebuild-hits", "rebuild-identical", "rebuild-time"}),
        ("package", {"package", "package-release", "package-complete"}),
    ],
)
def test_step_that_the_engine_lost_is_unproven(tier: str, clauses: set[str], ended: str) -> None:
    value = getattr(records.good(), tier)
    gone: dict[str, Any] = {"status": None, "ended": ended}
    if isinstance(value, KernelBuild):
        value = dataclasses.replace(value, step=dataclasses.replace(value.step, **gone))
    else:
        value = dataclasses.replace(value, **gone)
    record = changed(**{tier: value})
    assert not broken(record)
    assert set(lost(record)) == clauses
    first = {"cold": "build", "warm": "rebuild-hits"}.get(tier, tier)
    assert lost(record)[first].reason == f"did not complete: {ended}"


@pytest.mark.parametrize("ended", ["no end within 120 s", "no exit within 120 s"])
def test_boot_beyond_its_budget_hangs(ended: str) -> None:
    record = changed(boot=booted("[ 0.1] Booting\n", status=None, ended=ended))
    assert broken(record) == {"boot": "hung: still running after 120 s; last output: [ 0.1] Booting"}


def test_comparison_that_the_engine_refused_is_unproven() -> None:
    record = changed(
        cold=built(strays=Unavailable("the engine did not compare the container with its image: gone"))
    )
    assert not broken(record)
    assert set(lost(record)) == {"build-confined"}


def test_hits_without_the_cache_server_are_unproven() -> None:
    record = changed(server=Unavailable("compiler-cache died"))
    assert not broken(record)
    assert set(lost(record)) == {"rebuild-hits"}


def test_source_without_patches_is_skipped_for_good() -> None:
    record = changed(patches=None, quirk="")
    assert not broken(record)
    assert {name: results.provable_here for name, results in lost(record).items()} == {
        "patches": False,
        "boot-quirk": False,
    }


def test_realtime_is_not_judged_without_a_fragment() -> None:
    configure = step(
        "configure",
        {"fragment": "a", "text": "CONFIG_DRM=y\n"},
        {"config": records.CONFIG, "release": RELEASE},
    )
    record = changed(configure=configure, boot=booted(CONSOLE.replace("PREEMPT_RT ", "")))
    assert not broken(record)
    assert lost(record)["boot-realtime"].provable_here is False


def test_limit_not_in_effect_is_unproven() -> None:
    record = changed(limit=2 * LIMIT)
    assert not broken(record)
    assert "the limit in effect was 4Gi, the class promises 8Gi" in lost(record)["memory"].reason


def test_limit_above_the_host_is_skipped_for_good() -> None:
    record = changed(limit=2 * LIMIT, capacity=": the host has 4Gi")
    assert lost(record)["memory"].provable_here is False


def test_kill_reported_only_by_the_engine_counts() -> None:
    cold = build(measured("compile", status=2), status=1, killed=True)
    assert set(broken(changed(cold=cold))) == {"build", "memory"}


def rebuilt(*values: dict[str, Any], seconds: float = 40.0) -> KernelBuild:
    return KernelBuild(step("compile", *build().step.objects(), *values, seconds=seconds))


def test_limits_of_a_rebuild_are_inclusive() -> None:
    record = changed(warm=rebuilt(cache(remote_storage_hit=95, cache_miss=5), seconds=50.0))
    assert not broken(record)
    record = changed(warm=rebuilt(cache(remote_storage_hit=94, cache_miss=6), seconds=51.0))
    assert set(broken(record)) == {"rebuild-hits", "rebuild-time"}


@pytest.mark.parametrize(("count", "more"), [(5, ""), (6, " and 1 more")])
def test_long_lists_of_objects_are_cut(count: int, more: str) -> None:
    extra = {"digests": {f"more/{index}.o": "ee" for index in range(count)}}
    digests = {"digests": {**build().digests, **extra["digests"]}}
    images = {"images": dict(build().images)}
    warm = KernelBuild(step("compile", digests, images, cache(remote_storage_hit=1000), seconds=40.0))
    assert broken(changed(warm=warm))["rebuild-identical"].endswith(
        f"more/4.o{more} differ from the cold build's"
    )


def test_cold_build_without_a_time_leaves_the_ratio_unproven() -> None:
    cold = dataclasses.replace(built().step, seconds=0.0)
    record = changed(cold=built(step=cold))
    assert lost(record)["rebuild-time"].reason == "the cold build has no recorded time to compare with"


def test_lost_source_leaves_its_version_unproven() -> None:
    record = changed(unpack=Unavailable("the engine is gone"))
    assert not broken(record)
    assert set(lost(record)) == {"patches", "package", "package-release", "boot-release"}


def test_canary_without_devices_is_skipped_for_good() -> None:
    record = changed(devices=())
    assert not broken(record)
    assert lost(record) == {"boot-devices": Unavailable("the canary requires no device", provable_here=False)}


def without_limit() -> KernelRecord:
    return changed(limit=None)


MEMORY: dict[str, tuple[KernelRecord, str, str]] = {
    "a build that measured nothing": (changed(cold=build({"objects": 1})), "memory", "the build ended early"),
    "a link of a build that measured nothing": (changed(cold=build({"objects": 1})), "memory-link", "the build ended early"),
    "a build that failed for another reason": (
        changed(cold=build(*build().step.objects(), status=1)), "memory", "the build did not complete",
    ),
    "a class without a limit": (without_limit(), "memory", "promises no memory limit"),
    "a link of a class without a limit": (without_limit(), "memory-link", "promises no memory limit"),
    "a link step that was not reached": (changed(cold=build(measured("compile"))), "memory-link", "did not reach the link step"),
    "a link step that failed": (changed(cold=build(measured("link", status=1))), "memory-link", "the link step failed"),
    "a link step without a size": (
        changed(cold=build(measured("link", largest_process=0))), "memory-link", "did not report the memory use of the link step",
    ),
    "a build without a peak": (
        changed(cold=build(measured("link", peak=0))), "memory", "did not report the memory use of the build",
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", MEMORY)
def test_memory_is_unproven_for(row: str) -> None:
    record, clause, reason = MEMORY[row]
    assert reason in lost(record)[clause].reason


def test_package_without_the_kernel_is_another_builds() -> None:
    good = changed().package
    assert isinstance(good, TierStep)
    (package,) = good.objects()
    record = changed(package=step("package", {**package, "files": ["/lib/modules/other/vmlinuz"]}))
    assert "is not in the package" in broken(record)["package-release"]
