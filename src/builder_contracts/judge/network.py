"""Judges promises about what a job reaches over the network."""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.promises.network import Denied, Egress, NetworkPromise, Reaches, Resolves
from builder_contracts.facts.model import NOT_ASKED, Facts, Unseen
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept, unproven

# Answers that show that no packet arrived. A time-out or a failed look-up shows nothing.
_REFUSALS = ("unreachable", "refused")


def judge(promise: NetworkPromise, facts: Facts) -> Assessment:
    match promise:
        case Egress():
            return _egress(promise, facts)
        case Resolves():
            return _resolves(promise, facts)
        case Reaches():
            return _reaches(promise, facts)
        case Denied():
            return _denied(promise, facts)
        case _:
            assert_never(promise)


def _egress(promise: Egress, facts: Facts) -> Assessment:
    look = ".network.default_routes"
    routes = facts.network.default_routes
    if isinstance(routes, Unseen):
        return unproven_because(routes, look)
    seen = f"default route by {', '.join(routes)}" if routes else "no default route"
    if bool(routes) == promise.allowed:
        return kept(seen, look=look)
    likely = (
        "the job is attached to a network that routes outside: no network policy or internal network holds it"
        if routes
        else "the job's network is internal: what it downloads must come from inside"
    )
    return broken(seen, likely, look=look)


def _resolves(promise: Resolves, facts: Facts) -> Assessment:
    look = f'.network.resolve["{promise.host}"]'
    addresses = facts.network.resolve.get(promise.host, NOT_ASKED)
    if isinstance(addresses, Unseen):
        return unproven_because(addresses, look)
    if any(addresses):
        return kept(", ".join(filter(None, addresses)), look=look)
    return broken(
        "the resolver knows no such name",
        "no service of the environment carries this name: compare it with the environment file, letter by letter",
        look=look,
    )


def _reaches(promise: Reaches, facts: Facts) -> Assessment:
    key = f"{promise.host}:{promise.port}"
    look = f'.network.connect["{key}"]'
    connection = facts.network.connect.get(key, NOT_ASKED)
    if isinstance(connection, Unseen):
        return unproven_because(connection, look)
    if connection.outcome == "connected":
        return kept(connection.said or connection.outcome, look=look)
    likely = {
        "unresolved": "the name is wrong or its service is not deployed: compare it with the environment file",
        "refused": "the host is up and nothing listens on this port: the port number is wrong or the service is down",
        "unreachable": "no route: a network policy, or the service is in another network",
    }.get(connection.outcome, "the service hangs or packets are dropped on the way")
    return broken(f"{connection.outcome}: {connection.said}", likely, look=look)


def _denied(promise: Denied, facts: Facts) -> Assessment:
    look = f'.network.forbidden["{promise.host}"]'
    forbidden = facts.network.forbidden.get(promise.host, NOT_ASKED)
    if isinstance(forbidden, Unseen):
        return unproven_because(forbidden, look)
    seen = {
        spelling: attempt
        for spelling, attempt in forbidden.attempts.items()
        if not isinstance(attempt, Unseen)
    }
    reached = [spelling for spelling, attempt in seen.items() if attempt.outcome == "connected"]
    if reached:
        return broken(
            f"connected to {', '.join(reached)}",
            "the job's network routes to it: a network policy must deny the address, not one spelling of it",
            look=look,
        )
    routes = facts.network.default_routes
    if not isinstance(routes, Unseen) and routes:
        return broken(
            f"a default route by {', '.join(routes)} leads there; no packet was sent",
            "the job's network routes outside, so nothing keeps a job from the address",
            look=look,
        )
    if isinstance(forbidden.control, Unseen):
        return unproven_because(forbidden.control, look)
    if forbidden.control.outcome != "connected":
        return unproven(
            f"the stand-in did not answer where it must ({forbidden.control.outcome}: {forbidden.control.said}), "
            "so silence shows nothing",
            look=look,
        )
    unseen = [attempt for attempt in forbidden.attempts.values() if isinstance(attempt, Unseen)]
    if unseen:
        return unproven_because(unseen[0], look)
    odd = {spelling: attempt for spelling, attempt in seen.items() if attempt.outcome not in _REFUSALS}
    if odd or not seen:
        detail = "; ".join(f"{spelling}: {attempt.outcome}" for spelling, attempt in odd.items())
        return unproven(f"attempts that show nothing: {detail or 'none was made'}", look=look)
    spelled = ", ".join(f"{spelling} {attempt.outcome}" for spelling, attempt in seen.items())
    return kept(f"{spelled}; the same connection works from where it is allowed", look=look)
