"""The capacity of a host as its kernel says it, asked for by a shell alone. Reading the answer is pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

QUESTION = r"""
for file in /sys/devices/system/cpu/online /proc/meminfo /proc/sys/kernel/osrelease; do
  read -r line <"$file" && printf '%s\n' "$line" || printf '\n'
done
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then printf '2\n'; else printf '1\n'; fi
"""
"""A shell program that prints four lines."""


@dataclass(frozen=True)
class Capacity:
    """The CPUs and the memory (bytes) of a host, 0 if unknown; its kernel and cgroup version, empty if unknown."""

    cpus: int
    memory: int
    kernel: str

    @classmethod
    def read(cls, text: str) -> Self:
        """The capacity in what QUESTION printed."""
        cpus, memory, kernel, cgroup, *_ = [*text.split("\n"), "", "", "", ""]
        return cls(_cpus(cpus), _memory(memory), f"Linux {kernel}, cgroup v{cgroup}" if kernel else "")


def _cpus(online: str) -> int:
    """The number of CPUs in a list such as 0-3,6; 0 if it is not one."""
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", online):
        return 0
    ranges = (part.partition("-") for part in online.split(","))
    return sum(int(last or first) - int(first) + 1 for first, _, last in ranges)


def _memory(line: str) -> int:
    match = re.fullmatch(r"MemTotal: +(\d+) kB", line)
    return int(match[1]) * 1024 if match else 0
