"""Promises about CPU, memory and processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise, PromiseError
from builder_contracts.contract.quantities import byte_count, human_bytes, human_cpus, millicpus


@dataclass(frozen=True)
class CpuLimit:
    """Most CPU time, in thousandths of a CPU."""

    milli: int

    @property
    def text(self) -> str:
        return f"CPU limit {human_cpus(self.milli)}"


@dataclass(frozen=True)
class CpuRequest:
    """Guaranteed share under contention, in thousandths of a CPU."""

    milli: int

    @property
    def text(self) -> str:
        return f"CPU request {human_cpus(self.milli)}"


@dataclass(frozen=True)
class MemoryLimit:
    """Most memory in bytes; beyond it the kernel kills."""

    bytes: int

    @property
    def text(self) -> str:
        return f"memory limit {human_bytes(self.bytes)}"


@dataclass(frozen=True)
class MemoryRequest:
    """Memory in bytes that is reserved for the job."""

    bytes: int

    @property
    def text(self) -> str:
        return f"memory request {human_bytes(self.bytes)}"


@dataclass(frozen=True)
class PidsLimit:
    """Most processes and threads at a time."""

    most: int

    @property
    def text(self) -> str:
        return f"at most {self.most} processes"


ResourcePromise = CpuLimit | CpuRequest | MemoryLimit | MemoryRequest | PidsLimit


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[ResourcePromise]]:
    cpu, memory = section.get("cpu", {}), section.get("memory", {})
    amounts: list[tuple[str, str, str, Callable[[int], ResourcePromise], Callable[[str], int]]] = [
        ("cpu", "request", "cpu-request", CpuRequest, millicpus),
        ("cpu", "limit", "cpu-limit", CpuLimit, millicpus),
        ("memory", "request", "memory-request", MemoryRequest, byte_count),
        ("memory", "limit", "memory-limit", MemoryLimit, byte_count),
    ]
    for group, field, name, promise, amount in amounts:
        if (text := section.get(group, {}).get(field)) is not None:
            where = (*at, group, field)
            if amount(text) == 0:
                raise PromiseError(
                    where, f"{group}.{field}: 0 promises nothing", "set an amount, or remove the field"
                )
            yield NamedPromise(name, promise(amount(text)), where)
    for group, amounts_of, amount in (("cpu", cpu, millicpus), ("memory", memory, byte_count)):
        if {"request", "limit"} <= amounts_of.keys() and amount(amounts_of["request"]) > amount(
            amounts_of["limit"]
        ):
            raise PromiseError(
                (*at, group, "request"),
                f"{group} request {amounts_of['request']} exceeds limit {amounts_of['limit']}",
                "lower the request or raise the limit",
                against=(*at, group, "limit"),
            )
    if "pids" in section:
        yield NamedPromise("pids-limit", PidsLimit(section["pids"]["limit"]), (*at, "pids", "limit"))
