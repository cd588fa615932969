"""Promises about canaries: real workloads that a class builds. Shown by proofs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise

ANY: Mapping[str, str] = {
    "builds": "builds cold, as the class's user, within its budget",
    "runs": "makes what runs and says what it should",
    "artifacts": "hands on what is complete: no link into a store, no path of the builder",
}

NIX: Mapping[str, str] = {
    "rebuild": "is rebuilt identical, bit for bit",
    "pure": "evaluates without looking around it",
    "lock": "its lock file says all that its inputs are",
}

KERNEL: Mapping[str, str] = {
    "patches": "is patched: its series applies in order, without fuzz",
    "configure": "is configured: every requested option is really set",
    "build": "compiles cold into an image",
    "build-confined": "builds without writing anything outside its own folder",
    "memory": "builds within the class's memory limit",
    "memory-link": "links with a tenth of the class's memory limit to spare",
    "rebuild-hits": "is rebuilt in a fresh runner from the compiler cache",
    "rebuild-identical": "is rebuilt from the cache identical, bit for bit",
    "rebuild-time": "is rebuilt from the cache in at most a third of the cold build's time",
    "package": "is packaged as an RPM that is called kernel-VERSION-RELEASE",
    "package-release": "is packaged with a kernel whose release is the package's VERSION-RELEASE",
    "package-complete": "is packaged with image, symbols and configuration, and names no folder of the builder",
    "boot": "boots and runs init to its end",
    "boot-release": "boots as the kernel that this run built, by uname -r",
    "boot-configured": "boots with the configuration that was built, by its own word",
    "boot-realtime": "boots and says PREEMPT_RT, by uname -v",
    "boot-devices": "boots with display and HID devices",
    "boot-quirk": "boots and treats the patched display as a headset",
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
