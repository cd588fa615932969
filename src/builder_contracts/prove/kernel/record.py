"""What the tiers of a kernel canary left behind, as plain data: the judges know nothing else.

A tier that could not be tried, because an earlier one did not get there, is ``Lost`` with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from builder_contracts.prove.kernel import console, kconfig
from builder_contracts.prove.records import Lost

T = TypeVar("T")
_TAIL = 4000


@dataclass(frozen=True)
class Step:
    """A step as it ran: its exit status (None: it was lost, ``ended`` says how), what it printed and said.

    ``seconds`` is wall time, ``budget`` what it was given; ``killed`` tells that the engine saw the
    memory limit of the container kill something.
    """

    name: str
    status: int | None
    stdout: str
    said: str
    seconds: float
    budget: float
    ended: str = ""
    killed: bool = False

    @property
    def worked(self) -> bool:
        return self.status == 0

    def objects(self) -> list[dict[str, Any]]:
        """The JSON objects that it printed, one a line; anything else is not ours."""
        found = []
        for line in self.stdout.splitlines():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                found.append(value)
        return found

    def first(self, key: str, default: T) -> T:
        """The value under that key in the first object that has one of the default's type."""
        for value in self.objects():
            if key in value and isinstance(value[key], type(default)):
                return value[key]  # type: ignore[no-any-return] # just checked
        return default

    @property
    def end(self) -> str:
        """The last lines that it said, in one."""
        lines = [line.strip() for line in self.said[-_TAIL:].splitlines() if line.strip()]
        return " | ".join(line[:160] for line in lines[-4:]) or "it said nothing"


@dataclass(frozen=True)
class Measure:
    """What a command cost: seconds, bytes of its largest process and of all together, kills by the limit."""

    status: int
    seconds: float
    largest_process: int
    peak: int
    oom_kills: int | None
    limit: int | None


@dataclass(frozen=True)
class Build:
    """A compilation: its step, and what it wrote outside of its own folders.

    ``strays`` are paths by the engine's own comparison of the container with its image, and files of the
    source tree that changed.
    """

    step: Step
    strays: tuple[str, ...] = ()

    @property
    def planned(self) -> int:
        return self.step.first("objects", 0)

    @property
    def measures(self) -> dict[str, Measure]:
        """What its parts cost: prepare, compile, link."""
        found = {}
        for value in self.step.objects():
            if isinstance(value.get("measured"), str):
                found[value["measured"]] = Measure(
                    int(value.get("status", 1)),
                    float(value.get("seconds", 0)),
                    int(value.get("largest_process", 0)),
                    int(value.get("peak", 0)),
                    value.get("oom_kills"),
                    value.get("limit"),
                )
        return found

    @property
    def cache(self) -> Mapping[str, int]:
        return self.step.first("cache", {})

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of every object file by its path."""
        return self.step.first("digests", {})

    @property
    def images(self) -> Mapping[str, str]:
        """SHA-256 of vmlinux and of the image that boots."""
        return self.step.first("images", {})

    @property
    def oom_kills(self) -> int:
        return sum(measure.oom_kills or 0 for measure in self.measures.values())

    @property
    def peak(self) -> int:
        return max((measure.peak for measure in self.measures.values()), default=0)


@dataclass(frozen=True)
class CacheServer:
    """What the cache's own log says: objects it took from the writer, answered to the reader, and refused."""

    taken: int
    given: int
    refused: int


@dataclass(frozen=True)
class Boot:
    """A boot: its step, whose output is the serial console, the nonce, and where the image came from."""

    step: Step
    nonce: str
    image: str

    @property
    def console(self) -> console.Console:
        return console.read(self.step.stdout, self.nonce)


@dataclass(frozen=True)
class KernelRecord:
    """Everything that one run of the canary saw. ``limit`` is the class's memory limit in bytes.

    ``release`` is the part of ``uname -r`` that the recipe asks for; ``quirk`` and ``devices`` are what it
    wants to be shown at boot; ``folders`` are those of the builder that nothing may name.
    """

    release: str
    quirk: str
    devices: tuple[str, ...]
    folders: tuple[str, ...]
    limit: int | None
    host: str
    unpack: Step | Lost
    patches: Step | Lost | None
    configure: Step | Lost
    cold: Build | Lost
    warm: Build | Lost
    server: CacheServer | Lost
    package: Step | Lost
    boot: Boot | Lost
    capacity: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def requested(self) -> dict[str, tuple[str, str]]:
        """Value and fragment of each option that the fragments ask for; a later fragment wins."""
        if isinstance(self.configure, Lost):
            return {}
        asked: dict[str, tuple[str, str]] = {}
        for value in self.configure.objects():
            if "fragment" in value:
                fragment = str(value["fragment"])
                asked |= {name: (wanted, fragment) for name, wanted in kconfig.options(str(value.get("text"))).items()}
        return asked

    @property
    def configured(self) -> dict[str, str]:
        """The options of the finished configuration."""
        return {} if isinstance(self.configure, Lost) else kconfig.options(self.configure.first("config", ""))

    @property
    def version(self) -> str:
        """The source's version, as its makefile says it."""
        return "" if isinstance(self.unpack, Lost) else self.unpack.first("version", "")

    @property
    def expected(self) -> str:
        """What ``uname -r`` must read."""
        return f"{self.version}-{self.release}"
