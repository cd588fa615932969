"""Judges promises about listening ports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from builder_contracts.contract.promises.ports import OtherPorts, Port, PortPromise
from builder_contracts.facts.model import Facts, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept

# The engine's own resolver in a container on a network of the user's, on ports that change with each container:
# resolverIPSandbox in libnetwork/sandbox_dns_unix.go of github.com/moby/moby.
_ENGINE_RESOLVER = "127.0.0.11"


def judge(promise: PortPromise, facts: Facts) -> Assessment:
    ports = facts.ports
    match promise:
        case Port():
            inspect = f'.ports["{promise.key}"]'
            if isinstance(ports, Unseen):
                return unproven_because(ports, inspect)
            return _port(promise, ports.get(promise.key, []), inspect)
        case OtherPorts():
            inspect = ".ports"
            if isinstance(ports, Unseen):
                return unproven_because(ports, inspect)
            others = {
                key: remote
                for key, addresses in sorted(ports.items())
                if key not in promise.named
                and (remote := [address for address in addresses if address != _ENGINE_RESOLVER])
            }
            if not others:
                return kept("nothing listens on other ports", inspect=inspect)
            return broken(
                "; ".join(f"{key} listens on {', '.join(addresses)}" for key, addresses in others.items()),
                "a program that the image or the pool starts listens there; stop it, or name its port",
                inspect=inspect,
            )
        case _:
            assert_never(promise)


def _port(promise: Port, addresses: list[str], inspect: str) -> Assessment:
    seen = (
        f"{promise.key} listens on {', '.join(addresses)}"
        if addresses
        else f"nothing listens on {promise.key}"
    )
    if promise.state == "absent":
        likely = "a program that the image or the pool starts listens there"
        return broken(seen, likely, inspect=inspect) if addresses else kept(seen, inspect=inspect)
    if not addresses:
        return broken(
            seen, "the program that should listen did not start, or listens elsewhere", inspect=inspect
        )
    good = {"present": True, "loopback": is_loopback(addresses)}.get(
        promise.state, addresses == [promise.state]
    )
    if good:
        return kept(seen, inspect=inspect)
    return broken(
        seen, "the program is told to listen on another address, where others can reach it", inspect=inspect
    )


def is_loopback(addresses: Iterable[str]) -> bool:
    """Whether all of these are addresses of the loopback interface."""
    return all(address.startswith("127.") or address == "::1" for address in addresses)


def explain(promise: PortPromise) -> Explanation:
    how = (
        "The sockets of the job's network namespace, in /proc/net/tcp, tcp6, udp and udp6: TCP sockets that listen, "
        "and UDP sockets without a peer. The kernel shows them to the outside witness, too. "
    )
    match promise:
        case Port():
            return Explanation(
                how=f"{how}Those at this port must be bound as promised.",
                unproven=f"{RUNNER_LOST}; or /proc/net is not readable.",
                why="A port that listens on all interfaces is open to every other job on the network.",
                breaks="A service without its --host option, or one that an entry point no longer starts.",
                fix="Start the service on the promised address, or do not start it.",
            )
        case OtherPorts():
            return Explanation(
                how=f"{how}Only ports that the contract names may have one. "
                f"The engine's resolver at {_ENGINE_RESOLVER} does not count.",
                unproven=f"{RUNNER_LOST}; or /proc/net is not readable.",
                why="Nobody looks after a service that nobody knows of.",
                breaks="An SSH server, a debugger or a metrics endpoint that the image starts.",
                fix="Stop what listens, or name its port.",
            )
        case _:
            assert_never(promise)
