"""Tier *package*: an RPM by the kernel's own packaging, in the platform's naming scheme."""

from __future__ import annotations

from builder_contracts.prove.check_result import Finding
from builder_contracts.prove.kernel.record import KernelRecord, Package, packages
from builder_contracts.prove.kernel.tiers.ended import find_failure
from builder_contracts.prove.unavailable import Lost

_REQUIRED_FILES = ("vmlinuz", "System.map", "config")


def _kernel(record: KernelRecord) -> Package | Finding | Lost:
    if isinstance(record.package, Lost):
        return record.package
    if failed := find_failure(record.package):
        return failed
    built = packages(record.package)
    names = ", ".join(package.name for package in built) or "no package was built"
    kernel = next((package for package in built if package.name == "kernel"), None)
    return kernel or Finding(
        False, f"no package is named kernel: {names}", "check the packaging of this source"
    )


def judge_name(record: KernelRecord) -> Finding | Lost:
    kernel = _kernel(record)
    if not isinstance(kernel, Package):
        return kernel
    if isinstance(record.unpack, Lost):
        return record.unpack
    expected = f"kernel-{record.expected}.{kernel.arch}.rpm"
    if kernel.file != expected or f"{kernel.version}-{kernel.release}" != record.expected:
        return Finding(
            False,
            f"{kernel.file}, version {kernel.version}, release {kernel.release}; promised {expected}",
            "without patch 0003 of the series, which splits the release, the kernel's packaging uses a different name",
        )
    return Finding(True, expected)


def judge_release(record: KernelRecord) -> Finding | Lost:
    kernel = _kernel(record)
    if not isinstance(kernel, Package):
        return kernel
    if isinstance(record.unpack, Lost):
        return record.unpack
    if isinstance(record.configure, Lost):
        return record.configure
    if not record.configure.worked:
        return Lost("the kernel configuration failed (see linux-xr-configure)")
    release = record.configure.text("release")
    modules = f"/lib/modules/{release}/vmlinuz"
    if release != record.expected:
        return Finding(
            False,
            f"the build reports release {release!r}; promised {record.expected}",
            "LOCALVERSION, a localversion file or CONFIG_LOCALVERSION adds to it",
        )
    if modules not in kernel.files:
        return Finding(False, f"{modules} is not in the package", "the package comes from a different build")
    return Finding(True, f"{modules} in the package is {release}")


def judge_completeness(record: KernelRecord) -> Finding | Lost:
    kernel = _kernel(record)
    if not isinstance(kernel, Package) or isinstance(record.package, Lost):
        return kernel if not isinstance(kernel, Package) else Lost("the step was not reached")
    built = packages(record.package)
    named = [f"{package.file}: {path}" for package in built for path in package.named]
    if named:
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        return Finding(
            False,
            f"contains paths that exist only on the builder: {'; '.join(named[:5])}{more}",
            "build with mapped paths (-fmacro-prefix-map), and package real files",
        )
    missing = [
        name for name in _REQUIRED_FILES if not any(path.endswith(f"/{name}") for path in kernel.files)
    ]
    if missing:
        return Finding(
            False, f"{', '.join(missing)} is not in {kernel.file}", "check the package's file list"
        )
    return Finding(
        True,
        f"{sum(len(package.files) for package in built)} files, none references {record.folder}",
        witnesses=tuple(f"{package.file}: {len(package.files)} files" for package in built),
    )


SHOWS = {
    "package": judge_name,
    "package-release": judge_release,
    "package-complete": judge_completeness,
}
