"""Promises about the ports on which something listens in a job's network namespace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise, PromiseError

_WORDS = ("absent", "present", "loopback")


@dataclass(frozen=True)
class Port:
    """Who listens at a port: ``state`` is absent, present, loopback, or the one address. ``key`` is PORT/PROTOCOL."""

    key: str
    state: str

    @property
    def text(self) -> str:
        match self.state:
            case "absent":
                return f"nothing listens on {self.key}"
            case "present":
                return f"something listens on {self.key}"
            case "loopback":
                return f"{self.key} listens on loopback only"
            case address:
                return f"{self.key} listens on {address} only"


@dataclass(frozen=True)
class OtherPorts:
    """Nothing listens at a port that the contract does not name."""

    named: frozenset[str]

    @property
    def text(self) -> str:
        return f"nothing listens on other ports than {', '.join(sorted(self.named)) or 'none'}"


PortPromise = Port | OtherPorts


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[PortPromise]]:
    for key, state in section.items():
        where = (*at, key)
        if key == "others":
            yield NamedPromise(key, OtherPorts(frozenset(section) - {key}), where)
            continue
        yield NamedPromise(key, Port(key, state if state in _WORDS else _address(state, where)), where)


def _address(text: str, at: Pointer) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        fix = f"use {', '.join(_WORDS)}, or an address such as 127.0.0.1"
        raise PromiseError(at, f"{text!r} is no IP address", fix) from None
