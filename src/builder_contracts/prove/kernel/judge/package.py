"""Tier *package*: an RPM by the kernel's own packaging, in the platform's naming scheme."""

from __future__ import annotations

from builder_contracts.prove.kernel.judge.step_failure import failure
from builder_contracts.prove.kernel.record import KernelRecord, Package, packages
from builder_contracts.prove.records import CheckResult, Unavailable

_HOLDS = ("vmlinuz", "System.map", "config")


def _kernel(record: KernelRecord) -> Package | CheckResult | Unavailable:
    if isinstance(record.package, Unavailable):
        return record.package
    if found := failure(record.package):
        return found
    made = packages(record.package)
    names = ", ".join(package.name for package in made) or "there is none"
    kernel = next((package for package in made if package.name == "kernel"), None)
    return kernel or CheckResult(
        False, f"no package is called kernel: {names}", "look at the packaging of this source"
    )


def name(record: KernelRecord) -> CheckResult | Unavailable:
    kernel = _kernel(record)
    if not isinstance(kernel, Package):
        return kernel
    wanted = f"kernel-{record.expected}.{kernel.arch}.rpm"
    if kernel.file != wanted or f"{kernel.version}-{kernel.release}" != record.expected:
        return CheckResult(
            False,
            f"{kernel.file}, version {kernel.version}, release {kernel.release}; promised {wanted}",
            "the kernel's packaging names it otherwise: patch 0003 of the series takes the release apart",
        )
    return CheckResult(True, wanted)


def release(record: KernelRecord) -> CheckResult | Unavailable:
    kernel = _kernel(record)
    if not isinstance(kernel, Package):
        return kernel
    said = "" if isinstance(record.configure, Unavailable) else record.configure.text("release")
    modules = f"/lib/modules/{said}/vmlinuz"
    if said != record.expected:
        return CheckResult(
            False,
            f"the build calls itself {said!r}; promised {record.expected}",
            "LOCALVERSION, a localversion file or CONFIG_LOCALVERSION adds to it",
        )
    if modules not in kernel.files:
        return CheckResult(False, f"{modules} is not in the package", "the package was made of another build")
    return CheckResult(True, f"{modules} in the package is {said}")


def complete(record: KernelRecord) -> CheckResult | Unavailable:
    kernel = _kernel(record)
    if not isinstance(kernel, Package) or isinstance(record.package, Unavailable):
        return kernel if not isinstance(kernel, Package) else Unavailable("it was not reached")
    made = packages(record.package)
    named = [f"{package.file}: {place}" for package in made for place in package.named]
    if named:
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        return CheckResult(
            False,
            f"names a place that exists on the builder only: {'; '.join(named[:5])}{more}",
            "build with mapped paths (-fmacro-prefix-map), and package real files",
        )
    missing = [what for what in _HOLDS if not any(path.endswith(f"/{what}") for path in kernel.files)]
    if missing:
        return CheckResult(
            False, f"{', '.join(missing)} is not in {kernel.file}", "look at the packaging's list of files"
        )
    return CheckResult(
        True,
        f"{sum(len(package.files) for package in made)} files, none of them names {record.folder}",
        witnesses=tuple(f"{package.file}: {len(package.files)} files" for package in made),
    )


SHOWS = {
    "package": name,
    "package-release": release,
    "package-complete": complete,
}
