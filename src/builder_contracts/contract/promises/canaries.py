"""Promises about canaries: real workloads that a class builds. Judged by proofs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise

ANY: Mapping[str, str] = {
    "builds": "builds cold as the class's user, within budget",
    "runs": "produces a program that prints the expected text",
    "artifacts": "produces self-contained artifacts: no links into a store, no builder paths",
}

NIX: Mapping[str, str] = {
    "rebuild": "rebuilds bit for bit identical",
    "pure": "evaluates purely, using only its inputs",
    "lock": "has a complete lock file",
}

KERNEL: Mapping[str, str] = {
    "patches": "applies its patch series in order, without fuzz",
    "configure": "sets every requested option in its configuration",
    "build": "compiles to an image from a cold start",
    "build-confined": "writes nothing outside its build directory",
    "memory": "builds within the class's memory limit",
    "memory-link": "links with 10% of the class's memory limit to spare",
    "rebuild-hits": "rebuilds from the compiler cache in a fresh runner",
    "rebuild-identical": "rebuilds from the cache bit for bit identical",
    "rebuild-time": "rebuilds from the cache in at most a third of the cold build time",
    "package": "produces an RPM named kernel-VERSION-RELEASE",
    "package-release": "packages a kernel whose release is the package's VERSION-RELEASE",
    "package-complete": "packages image, symbols and configuration, with no builder paths",
    "boot": "boots and runs init to completion",
    "boot-release": "boots the kernel built in this run, by uname -r",
    "boot-configured": "boots with the built configuration, by /proc/config.gz",
    "boot-realtime": "boots with PREEMPT_RT, by uname -v",
    "boot-devices": "boots with display and HID devices",
    "boot-quirk": "boots and treats the quirked display as a headset",
}
"""A tier of a kernel's build each, and its parts."""

SHOWS: Mapping[str, str] = {**ANY, **NIX, **KERNEL}
"""What canaries can show."""


@dataclass(frozen=True)
class CanaryProof:
    """One thing that a canary shows about the class that builds it."""

    canary: str
    show: str

    @property
    def text(self) -> str:
        return f"the canary {self.canary} {SHOWS[self.show]}"


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[CanaryProof]]:
    for canary, shows in section.items():
        for index, show in enumerate(shows):
            yield NamedPromise(f"{canary}-{show}", CanaryProof(canary, show), (*at, canary, index))
