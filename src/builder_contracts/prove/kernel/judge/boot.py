"""Tier *boot*: the kernel itself reports its identity over the serial console. A file would prove nothing."""

from __future__ import annotations

from builder_contracts.prove.check_result import CheckResult, failed, passed
from builder_contracts.prove.kernel import kconfig
from builder_contracts.prove.kernel.boot_console import Console
from builder_contracts.prove.kernel.judge.step_failure import NotReached, require
from builder_contracts.prove.kernel.record import Boot, KernelRecord
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.command_end import is_deadline

_RT = "CONFIG_PREEMPT_RT"


def _booted(record: KernelRecord) -> Console:
    boot = require(record.boot)
    if not init_completed(boot):
        raise NotReached(Unavailable("the kernel did not boot (see linux-xr-boot)"))
    return boot.console


def init_completed(boot: Boot) -> bool:
    """Return whether our init ran from beginning to end, and the machine shut down by itself."""
    console = boot.console
    return boot.step.worked and console.ended and "begin" in console.lines and not console.panic


def judge_boot(record: KernelRecord) -> CheckResult | Unavailable:
    """A panic, a hang and a missing marker are three causes."""
    boot = require(record.boot)
    console = boot.console
    if console.panic:
        return failed(f"panic: {console.panic[:200]}", "see the console line above it for the location")
    if boot.step.status == 124 or (boot.step.status is None and is_deadline(boot.step.ended)):
        return failed(
            f"hung: still running after {boot.step.budget:.0f} s; last output: {console.last}",
            "compare with a good boot: it waits for whatever follows this line",
        )
    if boot.step.status is None:
        return Unavailable(f"the emulator did not complete: {boot.step.ended}")
    if not boot.step.worked:
        return Unavailable(f"the emulator exited with status {boot.step.status}: {boot.step.end}")
    if not console.ended or "begin" not in console.lines:
        return failed(
            f"no marker: the machine shut down before init finished; last output: {console.last}",
            "init did not start or had no console; check the console, initramfs and BINFMT options",
        )
    return passed(
        f"init completed in {boot.step.seconds:.1f} s, from {boot.image}",
        witnesses=(f"uname -v: {console.line('version')}", f"/proc/version: {console.line('built')[:200]}"),
    )


def judge_release(record: KernelRecord) -> CheckResult | Unavailable:
    console = _booted(record)
    require(record.unpack)
    release = console.line("release")
    if release != record.expected:
        return failed(
            f"uname -r reports {release!r}; promised {record.expected}",
            "a kernel other than the built one was booted",
        )
    if require(record.boot).nonce not in console.line("built"):
        return failed(
            f"uname -r reports {release}, but the kernel was built by {console.line('built')[:120]!r}, not in this run",
            "an older image with the same name was booted",
        )
    return passed(f"uname -r reports {release}, with this run's nonce as build host")


def judge_realtime(record: KernelRecord) -> CheckResult | Unavailable:
    if not isinstance(record.configure, Unavailable) and record.requested.get(_RT, ("", ""))[0] != "y":
        return Unavailable.never("no fragment requests PREEMPT_RT")
    console = _booted(record)
    version = console.line("version")
    if "PREEMPT_RT" not in version.split():
        return failed(
            f"uname -v reports {version!r}, without PREEMPT_RT", "the real-time fragment is not in this image"
        )
    return passed(f"uname -v reports {version}")


def judge_configuration(record: KernelRecord) -> CheckResult | Unavailable:
    console = _booted(record)
    if not require(record.configure).worked:
        return Unavailable("the kernel configuration failed (see linux-xr-configure)")
    running = kconfig.parse_options("\n".join(console.lines.get("config", ())))
    if not running:
        return failed("the kernel has no /proc/config.gz", "CONFIG_IKCONFIG_PROC is off")
    # Options that are off are not listed by a running kernel's configuration as we read it.
    built = {name: value for name, value in record.configured.items() if value != kconfig.OFF}
    differ = sorted(name for name in running.keys() | built.keys() if running.get(name) != built.get(name))
    if differ:
        return failed(
            f"{', '.join(differ[:5])} differ between /proc/config.gz and the build",
            "a kernel other than the configured one was booted",
        )
    return passed(f"/proc/config.gz matches all {len(running)} options of the build")


def judge_devices(record: KernelRecord) -> CheckResult | Unavailable:
    if not record.devices:
        return Unavailable.never("the canary requires no device")
    console = _booted(record)
    missing = [kind for kind in record.devices if not console.lines.get(kind)]
    if missing:
        return failed(
            f"sysfs lists no device of {', '.join(missing)}",
            "a driver is missing from the image, or did not bind",
        )
    return passed("; ".join(f"{kind}: {', '.join(console.lines[kind])}" for kind in record.devices))


def judge_quirk(record: KernelRecord) -> CheckResult | Unavailable:
    if not record.quirk:
        return Unavailable.never("the canary does not patch this source")
    console = _booted(record)
    lines = [line for line in console.lines.get("quirk", ()) if record.quirk in line]
    if not lines:
        return failed(
            f"the kernel log lacks {record.quirk!r} for the display", "patch 0001 is not in this image"
        )
    return passed(f"the patched EDID quirk is active: {lines[0]}")


SHOWS = {
    "boot": judge_boot,
    "boot-release": judge_release,
    "boot-configured": judge_configuration,
    "boot-realtime": judge_realtime,
    "boot-devices": judge_devices,
    "boot-quirk": judge_quirk,
}
