"""Promises about packages of dpkg, rpm and apk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise, PromiseError
from builder_contracts.tools.package_order import PackageRange


@dataclass(frozen=True)
class PackagePromise:
    """A package is installed, in this range of versions if one is given, or is not installed."""

    name: str
    present: bool = True
    version: PackageRange | None = None

    @property
    def text(self) -> str:
        if not self.present:
            return f"package {self.name} is not installed"
        version = f" {self.version.text}" if self.version else ""
        return f"package {self.name}{version} is installed"


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[PackagePromise]]:
    for name, value in section.items():
        where = (*at, name)
        if isinstance(value, str):
            yield NamedPromise(name, PackagePromise(name, value == "present"), where)
        else:
            yield NamedPromise(
                name, PackagePromise(name, version=_range(value["version"], (*where, "version"))), where
            )


def _range(text: str, at: Pointer) -> PackageRange:
    try:
        versions = PackageRange(text)
    except ValueError as error:
        raise PromiseError(at, str(error), "use comparisons such as '>=3.0.15-1,<4'") from None
    if versions.is_empty():
        raise PromiseError(
            at,
            f"range of package versions {text!r} is empty, so it can never be met",
            "state a lower bound that is below the upper one",
        )
    return versions
