"""Tier *package*: an RPM by the kernel's own packaging, in the platform's naming scheme."""

from __future__ import annotations

from typing import Any

from builder_contracts.prove.kernel.record import KernelRecord
from builder_contracts.prove.kernel.tiers.ended import failure
from builder_contracts.prove.records import Finding, Lost


def _kernel(record: KernelRecord) -> dict[str, Any] | Finding | Lost:
    if isinstance(record.package, Lost):
        return record.package
    if found := failure(record.package):
        return found
    packages = [value for value in record.package.objects() if "package" in value]
    kernel = next((value for value in packages if value["package"] == "kernel"), None)
    return kernel or Finding(
        False,
        f"no package is called kernel: {', '.join(str(value['package']) for value in packages) or 'there is none'}",
        "look at the rpmbuild output of this source's packaging",
    )


def name(record: KernelRecord) -> Finding | Lost:
    kernel = _kernel(record)
    if not isinstance(kernel, dict):
        return kernel
    wanted = f"kernel-{record.expected}.{kernel.get('arch')}.rpm"
    if kernel.get("file") != wanted or f"{kernel.get('version')}-{kernel.get('release')}" != record.expected:
        return Finding(
            False,
            f"{kernel.get('file')}, version {kernel.get('version')}, release {kernel.get('release')}; promised {wanted}",
            "the kernel's packaging names it otherwise: patch 0003 of the series takes the release apart",
        )
    assert not isinstance(record.package, Lost)
    return Finding(True, f"{wanted}, in {record.package.seconds:.0f} s")


def release(record: KernelRecord) -> Finding | Lost:
    kernel = _kernel(record)
    if not isinstance(kernel, dict):
        return kernel
    assert not isinstance(record.configure, Lost)
    said = record.configure.first("release", "")
    modules = f"/lib/modules/{said}/vmlinuz"
    if said != record.expected:
        return Finding(False, f"the build calls itself {said}; promised {record.expected}", "LOCALVERSION, a localversion file or CONFIG_LOCALVERSION adds to it")
    if modules not in kernel.get("files", ()):
        return Finding(False, f"{modules} is not in the package", "the package was made of another build")
    return Finding(True, f"{modules} in the package is {said}")


def complete(record: KernelRecord) -> Finding | Lost:
    kernel = _kernel(record)
    if not isinstance(kernel, dict):
        return kernel
    assert not isinstance(record.package, Lost)
    packages = [value for value in record.package.objects() if "package" in value]
    named = [f"{value['file']}: {place}" for value in packages for place in value.get("named", ())]
    if named:
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        return Finding(
            False,
            f"names a place that exists on the builder only: {'; '.join(named[:5])}{more}",
            "build with mapped paths (-fmacro-prefix-map), and package real files",
        )
    files = list(kernel.get("files", ()))
    missing = [what for what in ("vmlinuz", "System.map", "config") if not any(path.endswith(f"/{what}") for path in files)]
    if missing:
        return Finding(False, f"{', '.join(missing)} is not in {kernel.get('file')}", "look at the packaging's list of files")
    return Finding(
        True,
        f"{sum(len(value.get('files', ())) for value in packages)} files, none of them names {' or '.join(record.folders)}",
        witnesses=tuple(f"{value['file']}: {len(value.get('files', ()))} files" for value in packages),
    )


SHOWS = {
    "package": ("its RPM is called kernel-VERSION-RELEASE in the platform's scheme", name),
    "package-release": ("the packaged kernel's release is the package's VERSION-RELEASE", release),
    "package-complete": ("its RPMs hold image, symbols and configuration, and name no folder of the builder", complete),
}
