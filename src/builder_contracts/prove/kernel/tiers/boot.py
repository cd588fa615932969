"""Tier *boot*: the kernel itself says over the serial console what it is. A file would prove nothing."""

from __future__ import annotations

from builder_contracts.prove.kernel import kconfig
from builder_contracts.prove.kernel.console import Console
from builder_contracts.prove.kernel.record import Boot, KernelRecord
from builder_contracts.prove.records import Finding, Lost

_RT = "CONFIG_PREEMPT_RT"


def _booted(record: KernelRecord) -> Console | Lost:
    if isinstance(record.boot, Lost):
        return record.boot
    if not reached_well(record.boot):
        return Lost("the kernel did not boot: see linux-xr-boot")
    return record.boot.console


def reached_well(boot: Boot) -> bool:
    """Whether our init ran from its beginning to its end, and the machine went down by itself."""
    console = boot.console
    return boot.step.worked and console.ended and "begin" in console.said and not console.panic


def reached(record: KernelRecord) -> Finding | Lost:
    """A panic, a hang and a missing marker are three verdicts."""
    boot = record.boot
    if isinstance(boot, Lost):
        return boot
    console = boot.console
    if console.panic:
        return Finding(
            False, f"panic: {console.panic[:200]}", "the line above it in the console names the place"
        )
    if boot.step.status == 124 or (
        boot.step.status is None and boot.step.ended.startswith(("no exit", "no end"))
    ):
        return Finding(
            False,
            f"hang: still up after {boot.step.budget:.0f} s; last said: {console.last}",
            "what comes after this line in a good boot is what it waits for",
        )
    if boot.step.status is None:
        return Lost(f"the emulator was lost: {boot.step.ended}")
    if not boot.step.worked:
        return Lost(f"the emulator ended with status {boot.step.status}: {boot.step.end}")
    if not console.ended or "begin" not in console.said:
        return Finding(
            False,
            f"no marker: the machine went down by itself before init was through; last said: {console.last}",
            "init was not started, or could not speak: console, initramfs and BINFMT options",
        )
    return Finding(
        True,
        f"init ran to its end in {boot.step.seconds:.1f} s, from {boot.image}",
        witnesses=(f"uname -v: {console.one('version')}", f"/proc/version: {console.one('built')[:200]}"),
    )


def release(record: KernelRecord) -> Finding | Lost:
    console = _booted(record)
    if isinstance(console, Lost):
        return console
    said = console.one("release")
    if said != record.expected:
        return Finding(
            False,
            f"uname -r says {said!r}; promised {record.expected}",
            "another kernel was booted than the one that was built",
        )
    assert not isinstance(record.boot, Lost)
    if record.boot.nonce not in console.one("built"):
        return Finding(
            False,
            f"uname -r says {said}, but the kernel was built by {console.one('built')[:120]!r}, not in this run",
            "an older image of the same name was booted",
        )
    return Finding(True, f"uname -r says {said}, and its build host carries this run's nonce")


def realtime(record: KernelRecord) -> Finding | Lost:
    if not isinstance(record.configure, Lost) and record.requested.get(_RT, ("", ""))[0] != "y":
        return Lost("no fragment asks for PREEMPT_RT", here=False)
    console = _booted(record)
    if isinstance(console, Lost):
        return console
    version = console.one("version")
    if "PREEMPT_RT" not in version.split():
        return Finding(
            False,
            f"uname -v says {version!r}: no PREEMPT_RT",
            "the real-time fragment did not reach this image",
        )
    return Finding(True, f"uname -v says {version}")


def configured(record: KernelRecord) -> Finding | Lost:
    console = _booted(record)
    if isinstance(console, Lost):
        return console
    running = kconfig.options("\n".join(console.said.get("config", ())))
    if not running:
        return Finding(False, "the kernel shows no /proc/config.gz", "CONFIG_IKCONFIG_PROC is off")
    # Options that are off are not listed by a running kernel's configuration as we read it.
    built = {name: value for name, value in record.configured.items() if value != kconfig.OFF}
    differ = sorted(name for name in running.keys() | built.keys() if running.get(name) != built.get(name))
    if differ:
        return Finding(
            False,
            f"{', '.join(differ[:5])} differ between /proc/config.gz and the build",
            "another kernel was booted than the one that was configured",
        )
    return Finding(True, f"/proc/config.gz of the running kernel has the {len(running)} options of the build")


def devices(record: KernelRecord) -> Finding | Lost:
    console = _booted(record)
    if isinstance(console, Lost):
        return console
    missing = [kind for kind in record.devices if not console.said.get(kind)]
    if missing:
        return Finding(
            False,
            f"sysfs lists no device of {', '.join(missing)}",
            "a driver is not in the image, or did not bind",
        )
    return Finding(True, "; ".join(f"{kind}: {', '.join(console.said[kind])}" for kind in record.devices))


def quirk(record: KernelRecord) -> Finding | Lost:
    if not record.quirk:
        return Lost("this source is not patched by the canary", here=False)
    console = _booted(record)
    if isinstance(console, Lost):
        return console
    said = [line for line in console.said.get("quirk", ()) if record.quirk in line]
    if not said:
        return Finding(
            False,
            f"the kernel did not say {record.quirk!r} of its display",
            "patch 0001 is not in this image",
        )
    return Finding(True, f"the kernel says {said[0]}: the patched EDID quirk is at work")


SHOWS = {
    "boot": reached,
    "boot-release": release,
    "boot-configured": configured,
    "boot-realtime": realtime,
    "boot-devices": devices,
    "boot-quirk": quirk,
}
