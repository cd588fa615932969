"""Records of a kernel canary in which everything went well, for tests to break one thing of."""

from __future__ import annotations

import json
from typing import Any

from builder_contracts.prove.kernel.record import Boot, CacheServer, KernelBuild, KernelRecord, TierStep

LIMIT = 4 * 2**30
NONCE = "0123456789abcdef"
RELEASE = "7.2.13-1.xr.el10"
VERSION = "#1.xr.el10 SMP PREEMPT_RT 2026-01-01T00:00:00Z"

FRAGMENT = "CONFIG_DRM=y\nCONFIG_PREEMPT_RT=y\n# CONFIG_LOCALVERSION_AUTO is not set\n"
CONFIG = "CONFIG_DRM=y\nCONFIG_PREEMPT_RT=y\nCONFIG_IKCONFIG=y\n# CONFIG_SWAP is not set\n"

CONSOLE = f"""\
[    0.000000] Linux version {RELEASE}
LINUX-XR {NONCE} begin
LINUX-XR {NONCE} release {RELEASE}
LINUX-XR {NONCE} version {VERSION}
LINUX-XR {NONCE} built Linux version {RELEASE} (runner@builder-{NONCE}) (gcc 16.2.0) {VERSION}
LINUX-XR {NONCE} config CONFIG_DRM=y
LINUX-XR {NONCE} config CONFIG_PREEMPT_RT=y
LINUX-XR {NONCE} config CONFIG_IKCONFIG=y
LINUX-XR {NONCE} hid 0003:0627:0001.0001 QEMU QEMU USB Tablet
LINUX-XR {NONCE} hidraw hidraw0
LINUX-XR {NONCE} drm card0
LINUX-XR {NONCE} quirk CONNECTOR:39:Virtual-2] Non-desktop display
LINUX-XR {NONCE} end
"""


def lines(*values: dict[str, Any]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def step(
    name: str, *values: dict[str, Any], status: int | None = 0, stderr: str = "", **rest: Any
) -> TierStep:
    return TierStep(
        name, status, lines(*values), stderr, rest.pop("seconds", 10.0), rest.pop("budget", 100.0), **rest
    )


def measured(name: str, **rest: Any) -> dict[str, Any]:
    good = {
        "status": 0,
        "seconds": 5.0,
        "largest_process": 240 * 2**20,
        "peak": 300 * 2**20,
        "oom_kills": 0,
        "limit": LIMIT,
    }
    return {"measured": name, **good, **rest}


def build(*values: dict[str, Any], **rest: Any) -> KernelBuild:
    good = (
        measured("prepare"),
        {"objects": 900},
        measured("compile"),
        measured("link"),
        {"digests": {"kernel/fork.o": "aa", "lib/string.o": "bb"}},
        {"images": {"vmlinux": "cc", "arch/x86/boot/bzImage": "dd"}},
    )
    strays = rest.pop("strays", ())
    return KernelBuild(step("compile", *(values or good), **rest), strays)


def cache(**counts: int) -> dict[str, Any]:
    return {"cache": {"remote_storage_hit": 0, "cache_miss": 0, **counts}}


def good() -> KernelRecord:
    cold, warm = build(), build(seconds=2.0)
    return KernelRecord(
        release="1.xr.el10",
        quirk="Non-desktop display",
        devices=("drm", "hid", "hidraw"),
        folder="/home/runner/linux-xr",
        limit=LIMIT,
        unpack=step("unpack", {"version": "7.2.13"}),
        patches=step("patch", {"patch": "0001.patch", "status": 0, "said": "patching file a"}),
        configure=step(
            "configure", {"fragment": "xr.config", "text": FRAGMENT}, {"config": CONFIG, "release": RELEASE}
        ),
        cold=KernelBuild(step("compile", *cold.step.objects(), cache(cache_miss=1000, remote_storage_hit=10), seconds=150.0)),
        warm=KernelBuild(step("compile", *warm.step.objects(), cache(cache_miss=2, remote_storage_hit=1008), seconds=40.0)),
        server=CacheServer(accepted=2000, served=2016, rejected=0),
        package=step(
            "package",
            {
                "package": "kernel", "version": "7.2.13", "release": "1.xr.el10", "arch": "x86_64",
                "file": f"kernel-{RELEASE}.x86_64.rpm", "named": [],
                "files": [f"/lib/modules/{RELEASE}/{name}" for name in ("vmlinuz", "System.map", "config")],
            },
        ),
        boot=Boot(TierStep("boot", 0, CONSOLE, "", 4.0, 120.0), NONCE, "the package"),
    )  # fmt: skip
