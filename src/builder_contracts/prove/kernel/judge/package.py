"""Tier *package*: an RPM by the kernel's own packaging, in the platform's naming scheme."""

from __future__ import annotations

from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.kernel.judge.step_failure import find_failure
from builder_contracts.prove.kernel.record import KernelRecord, Package, packages
from builder_contracts.prove.unavailable import Unavailable

_REQUIRED_FILES = ("vmlinuz", "System.map", "config")


def _kernel(record: KernelRecord) -> Package | CheckResult | Unavailable:
    if isinstance(record.package, Unavailable):
        return record.package
    if failed := find_failure(record.package):
        return failed
    built = packages(record.package)
    names = ", ".join(package.name for package in built) or "no package was built"
    kernel = next((package for package in built if package.name == "kernel"), None)
    return kernel or CheckResult(
        False, f"no package is named kernel: {names}", "check the packaging of this source"
    )


def judge_name(record: KernelRecord) -> CheckResult | Unavailable:
    kernel = _kernel(record)
    if not isinstance(kernel, Package):
        return kernel
    if isinstance(record.unpack, Unavailable):
        return record.unpack
    expected = f"kernel-{record.expected}.{kernel.arch}.rpm"
    if kernel.file != expected or f"{kernel.version}-{kernel.release}" != record.expected:
        return CheckResult(
            False,
            f"{kernel.file}, version {kernel.version}, release {kernel.release}; promised {expected}",
            "without patch 0003 of the series, which splits the release, the kernel's packaging uses a different name",
        )
    return CheckResult(True, expected)


def judge_release(record: KernelRecord) -> CheckResult | Unavailable:
    kernel = _kernel(record)
    if not isinstance(kernel, Package):
        return kernel
    if isinstance(record.unpack, Unavailable):
        return record.unpack
    if isinstance(record.configure, Unavailable):
        return record.configure
    if not record.configure.worked:
        return Unavailable("the kernel configuration failed (see linux-xr-configure)")
    release = record.configure.text("release")
    modules = f"/lib/modules/{release}/vmlinuz"
    if release != record.expected:
        return CheckResult(
            False,
            f"the build reports release {release!r}; promised {record.expected}",
            "LOCALVERSION, a localversion file or CONFIG_LOCALVERSION adds to it",
        )
    if modules not in kernel.files:
        return CheckResult(
            False, f"{modules} is not in the package", "the package comes from a different build"
        )
    return CheckResult(True, f"{modules} in the package is {release}")


def judge_completeness(record: KernelRecord) -> CheckResult | Unavailable:
    kernel = _kernel(record)
    if not isinstance(kernel, Package) or isinstance(record.package, Unavailable):
        return kernel if not isinstance(kernel, Package) else Unavailable("the step was not reached")
    built = packages(record.package)
    named = [f"{package.file}: {path}" for package in built for path in package.named]
    if named:
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        return CheckResult(
            False,
            f"contains paths that exist only on the builder: {'; '.join(named[:5])}{more}",
            "build with mapped paths (-fmacro-prefix-map), and package real files",
        )
    missing = [
        name for name in _REQUIRED_FILES if not any(path.endswith(f"/{name}") for path in kernel.files)
    ]
    if missing:
        return CheckResult(
            False, f"{', '.join(missing)} is not in {kernel.file}", "check the package's file list"
        )
    return CheckResult(
        True,
        f"{sum(len(package.files) for package in built)} files, none references {record.folder}",
        witnesses=tuple(f"{package.file}: {len(package.files)} files" for package in built),
    )


SHOWS = {
    "package": judge_name,
    "package-release": judge_release,
    "package-complete": judge_completeness,
}
