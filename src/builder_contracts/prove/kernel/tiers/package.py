"""Tier *package*: an RPM by the kernel's own packaging, in the platform's naming scheme."""

from __future__ import annotations

from builder_contracts.prove.kernel.record import KernelRecord, Package, packages
from builder_contracts.prove.kernel.tiers.ended import failure
from builder_contracts.prove.records import Finding, Lost

_HOLDS = ("vmlinuz", "System.map", "config")


def _kernel(record: KernelRecord) -> Package | Finding | Lost:
    if isinstance(record.package, Lost):
        return record.package
    if found := failure(record.package):
        return found
    made = packages(record.package)
    names = ", ".join(package.name for package in made) or "there is none"
    kernel = next((package for package in made if package.name == "kernel"), None)
    return kernel or Finding(
        False, f"no package is called kernel: {names}", "look at the packaging of this source"
    )


def name(record: KernelRecord) -> Finding | Lost:
    kernel = _kernel(record)
    if not isinstance(kernel, Package):
        return kernel
    wanted = f"kernel-{record.expected}.{kernel.arch}.rpm"
    if kernel.file != wanted or f"{kernel.version}-{kernel.release}" != record.expected:
        return Finding(
            False,
            f"{kernel.file}, version {kernel.version}, release {kernel.release}; promised {wanted}",
            "the kernel's packaging names it otherwise: patch 0003 of the series takes the release apart",
        )
    return Finding(True, wanted)


def release(record: KernelRecord) -> Finding | Lost:
    kernel = _kernel(record)
    if not isinstance(kernel, Package):
        return kernel
    said = "" if isinstance(record.configure, Lost) else record.configure.text("release")
    modules = f"/lib/modules/{said}/vmlinuz"
    if said != record.expected:
        return Finding(
            False,
            f"the build calls itself {said!r}; promised {record.expected}",
            "LOCALVERSION, a localversion file or CONFIG_LOCALVERSION adds to it",
        )
    if modules not in kernel.files:
        return Finding(False, f"{modules} is not in the package", "the package was made of another build")
    return Finding(True, f"{modules} in the package is {said}")


def complete(record: KernelRecord) -> Finding | Lost:
    kernel = _kernel(record)
    if not isinstance(kernel, Package) or isinstance(record.package, Lost):
        return kernel if not isinstance(kernel, Package) else Lost("it was not reached")
    made = packages(record.package)
    named = [f"{package.file}: {place}" for package in made for place in package.named]
    if named:
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        return Finding(
            False,
            f"names a place that exists on the builder only: {'; '.join(named[:5])}{more}",
            "build with mapped paths (-fmacro-prefix-map), and package real files",
        )
    missing = [what for what in _HOLDS if not any(path.endswith(f"/{what}") for path in kernel.files)]
    if missing:
        return Finding(
            False, f"{', '.join(missing)} is not in {kernel.file}", "look at the packaging's list of files"
        )
    return Finding(
        True,
        f"{sum(len(package.files) for package in made)} files, none of them names {record.folder}",
        witnesses=tuple(f"{package.file}: {len(package.files)} files" for package in made),
    )


SHOWS = {
    "package": name,
    "package-release": release,
    "package-complete": complete,
}
