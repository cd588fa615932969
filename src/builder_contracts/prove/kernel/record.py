"""The record of a kernel canary, tier by tier: plain data for its judges.

A tier that was not reached, because an earlier one failed, is ``Unavailable`` with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builder_contracts.prove.kernel import boot_console, kconfig
from builder_contracts.prove.unavailable import Unavailable

_TAIL = 4000


@dataclass(frozen=True)
class TierStep:
    """A step as it ran: its exit status (None: it did not complete, ``ended`` says why), and its output.

    ``seconds`` is wall time, ``budget`` what it was given; ``killed``: the engine saw a process
    killed at the memory limit of the container.
    """

    name: str
    status: int | None
    stdout: str
    stderr: str
    seconds: float
    budget: float
    ended: str = ""
    killed: bool = False

    @property
    def worked(self) -> bool:
        return self.status == 0

    def objects(self) -> list[dict[str, Any]]:
        """The JSON objects that it printed, one a line; anything else is not ours."""
        objects = []
        for line in self.stdout.splitlines():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                objects.append(value)
        return objects

    def table(self, key: str) -> dict[str, object]:
        """The mapping under that key in the first object that has one."""
        return next((dict(value[key]) for value in self.objects() if isinstance(value.get(key), dict)), {})

    def texts(self, key: str) -> tuple[str, ...]:
        """The list under that key in the first object that has one."""
        return next((_lines(value[key]) for value in self.objects() if isinstance(value.get(key), list)), ())

    def has(self, key: str) -> bool:
        """Return whether an object has that key."""
        return any(key in value for value in self.objects())

    def flag(self, key: str) -> bool:
        """Return whether an object has true under that key."""
        return any(value.get(key) is True for value in self.objects())

    def text(self, key: str) -> str:
        """The text under that key in the first object that has one, or nothing."""
        return next((value[key] for value in self.objects() if isinstance(value.get(key), str)), "")

    @property
    def end(self) -> str:
        """The last lines of its error output, in one."""
        lines = [line.strip() for line in self.stderr[-_TAIL:].splitlines() if line.strip()]
        return " | ".join(line[:160] for line in lines[-4:]) or "no error output"


@dataclass(frozen=True)
class MemoryUsage:
    """Cost of a command: bytes of its largest process and of all together, kills by the limit, the limit.

    0 means that the system did not report it; source: steps/measure.py.
    """

    status: int
    largest_process: int
    peak: int
    oom_kills: int
    limit: int


@dataclass(frozen=True)
class KernelBuild:
    """A compilation: its step, and what it wrote outside its own directories.

    ``strays`` are paths by the engine's own comparison of the container with its image, and files of the
    source tree that changed; Lost if the engine did not compare.
    """

    step: TierStep
    strays: tuple[str, ...] | Unavailable = ()

    @property
    def measures(self) -> dict[str, MemoryUsage]:
        """Memory use by part: prepare, compile, link."""
        measures = {}
        for value in self.step.objects():
            if isinstance(value.get("measured"), str):
                measures[value["measured"]] = MemoryUsage(
                    _whole(value.get("status"), 1),
                    _whole(value.get("largest_process"), 0),
                    _whole(value.get("peak"), 0),
                    _whole(value.get("oom_kills"), 0),
                    _whole(value.get("limit"), 0),
                )
        return measures

    @property
    def cache(self) -> Mapping[str, int]:
        return {name: _whole(count, 0) for name, count in self.step.table("cache").items()}

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of every object file by its path."""
        return _texts(self.step.table("digests"))

    @property
    def images(self) -> Mapping[str, str]:
        """SHA-256 of vmlinux and of the image that boots."""
        return _texts(self.step.table("images"))

    @property
    def oom_kills(self) -> int:
        return sum(measure.oom_kills for measure in self.measures.values())

    @property
    def peak(self) -> int:
        return max((measure.peak for measure in self.measures.values()), default=0)


@dataclass(frozen=True)
class Package:
    """An RPM: its name and fields, the paths in it, and those of its parts that name the builder's folders."""

    file: str
    name: str
    version: str
    release: str
    arch: str
    files: tuple[str, ...]
    named: tuple[str, ...]


def packages(step: TierStep) -> tuple[Package, ...]:
    """The packages that the step made."""
    return tuple(
        Package(
            file=str(value.get("file", "")),
            name=str(value["package"]),
            version=str(value.get("version", "")),
            release=str(value.get("release", "")),
            arch=str(value.get("arch", "")),
            files=_lines(value.get("files")),
            named=_lines(value.get("named")),
        )
        for value in step.objects()
        if "package" in value
    )


@dataclass(frozen=True)
class CacheServer:
    """Counts from the cache's own log: objects accepted from the writer, served to the reader, and rejected writes."""

    accepted: int
    served: int
    rejected: int


@dataclass(frozen=True)
class Boot:
    """A boot: its step, whose output is the serial console, the nonce, and where the image came from."""

    step: TierStep
    nonce: str
    image: str

    @property
    def console(self) -> boot_console.Console:
        return boot_console.parse_console(self.step.stdout, self.nonce)


@dataclass(frozen=True)
class KernelRecord:
    """Everything that one run of the canary observed. ``limit`` is the class's memory limit in bytes,
    ``capacity`` says why the host cannot give it, if so.

    ``release`` is the part of ``uname -r`` that the recipe asks for; ``quirk`` and ``devices`` are what it
    wants to be shown at boot; ``folder`` is the builder's that nothing may name.
    """

    release: str
    quirk: str
    devices: tuple[str, ...]
    folder: str
    limit: int | None
    unpack: TierStep | Unavailable
    patches: TierStep | Unavailable | None
    configure: TierStep | Unavailable
    cold: KernelBuild | Unavailable
    warm: KernelBuild | Unavailable
    server: CacheServer | Unavailable
    package: TierStep | Unavailable
    boot: Boot | Unavailable
    capacity: str = ""

    @property
    def requested(self) -> dict[str, tuple[str, str]]:
        """Value and fragment of each option that the fragments ask for; a later fragment wins."""
        if isinstance(self.configure, Unavailable):
            return {}
        requested: dict[str, tuple[str, str]] = {}
        for value in self.configure.objects():
            if "fragment" in value:
                fragment = str(value["fragment"])
                requested |= {
                    name: (setting, fragment)
                    for name, setting in kconfig.parse_options(str(value.get("text"))).items()
                }
        return requested

    @property
    def configured(self) -> dict[str, str]:
        """The options of the finished configuration."""
        return (
            {}
            if isinstance(self.configure, Unavailable)
            else kconfig.parse_options(self.configure.text("config"))
        )

    @property
    def version(self) -> str:
        """The source's version, as its makefile says it."""
        return "" if isinstance(self.unpack, Unavailable) else self.unpack.text("version")

    @property
    def expected(self) -> str:
        """The expected output of ``uname -r``."""
        return f"{self.version}-{self.release}"


def _whole(value: object, default: int) -> int:
    """A whole number of a build's own report, which may hold anything."""
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _lines(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()
