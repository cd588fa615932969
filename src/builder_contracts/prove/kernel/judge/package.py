"""Tier *package*: an RPM by the kernel's own packaging, in the platform's naming scheme."""

from __future__ import annotations

from builder_contracts.prove.check_result import CheckResult, failed, passed
from builder_contracts.prove.kernel.judge.step_failure import NotReached, require, require_success
from builder_contracts.prove.kernel.record import KernelRecord, Package, packages
from builder_contracts.prove.unavailable import Unavailable

_REQUIRED_FILES = ("vmlinuz", "System.map", "config")


def _kernel(record: KernelRecord) -> Package:
    built = packages(require_success(record.package))
    names = ", ".join(package.name for package in built) or "no package was built"
    kernel = next((package for package in built if package.name == "kernel"), None)
    if kernel is None:
        raise NotReached(failed(f"no package is named kernel: {names}", "check the packaging of this source"))
    return kernel


def judge_name(record: KernelRecord) -> CheckResult | Unavailable:
    kernel = _kernel(record)
    require(record.unpack)
    expected = f"kernel-{record.expected}.{kernel.arch}.rpm"
    if kernel.file != expected or f"{kernel.version}-{kernel.release}" != record.expected:
        return failed(
            f"{kernel.file}, version {kernel.version}, release {kernel.release}; promised {expected}",
            "without patch 0003 of the series, which splits the release, the kernel's packaging uses a different name",
        )
    return passed(expected)


def judge_release(record: KernelRecord) -> CheckResult | Unavailable:
    kernel = _kernel(record)
    require(record.unpack)
    configure = require(record.configure)
    if not configure.worked:
        return Unavailable("the kernel configuration failed (see linux-xr-configure)")
    release = configure.text("release")
    modules = f"/lib/modules/{release}/vmlinuz"
    if release != record.expected:
        return failed(
            f"the build reports release {release!r}; promised {record.expected}",
            "LOCALVERSION, a localversion file or CONFIG_LOCALVERSION adds to it",
        )
    if modules not in kernel.files:
        return failed(f"{modules} is not in the package", "the package comes from a different build")
    return passed(f"{modules} in the package is {release}")


def judge_completeness(record: KernelRecord) -> CheckResult | Unavailable:
    kernel = _kernel(record)
    built = packages(require(record.package))
    named = [f"{package.file}: {path}" for package in built for path in package.named]
    if named:
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        return failed(
            f"contains paths that exist only on the builder: {'; '.join(named[:5])}{more}",
            "build with mapped paths (-fmacro-prefix-map), and package real files",
        )
    missing = [
        name for name in _REQUIRED_FILES if not any(path.endswith(f"/{name}") for path in kernel.files)
    ]
    if missing:
        return failed(f"{', '.join(missing)} is not in {kernel.file}", "check the package's file list")
    return passed(
        f"{sum(len(package.files) for package in built)} files, none references {record.folder}",
        witnesses=tuple(f"{package.file}: {len(package.files)} files" for package in built),
    )


SHOWS = {"package": judge_name, "package-release": judge_release, "package-complete": judge_completeness}
