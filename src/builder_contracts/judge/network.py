"""Judge promises about what a job reaches over the network."""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.promises.network import (
    Denied,
    Egress,
    NetworkPromise,
    Reaches,
    Resolves,
    Responds,
)
from builder_contracts.facts.model import NOT_ASKED, Facts, RunnerFacts, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.run_settings import set_by_run
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept, unproven

# Outcomes that prove that no packet arrived. A timeout or a failed lookup proves nothing.
_REFUSALS = ("unreachable", "refused")


def judge(promise: NetworkPromise, facts: Facts) -> Assessment:
    match promise:
        case Egress():
            return set_by_run(_egress(promise, facts), facts)
        case Resolves():
            return _resolves(promise, facts)
        case Reaches():
            return _reaches(promise, facts)
        case Responds():
            return _responds(promise, facts)
        case Denied():
            return _denied(promise, facts)
        case _:
            assert_never(promise)


def _egress(promise: Egress, facts: Facts) -> Assessment:
    inspect = ".network.default_routes"
    routes = facts.network.default_routes
    if isinstance(routes, Unseen):
        return unproven_because(routes, inspect)
    seen = f"default route via {', '.join(routes)}" if routes else "no default route"
    if bool(routes) == promise.allowed:
        return kept(seen, inspect=inspect)
    if routes and isinstance(facts.runner, RunnerFacts) and facts.runner.kind != "docker":
        return unproven(
            f"{seen}; a job on a real runner must reach its code host, "
            "so a route does not show what a policy lets through",
            provable_here=False,
            inspect=inspect,
        )
    likely = (
        "the job's network routes outside; no network policy or internal network prevents it"
        if routes
        else "the job's network is internal; downloads must come from inside it"
    )
    return broken(seen, likely, inspect=inspect)


def _resolves(promise: Resolves, facts: Facts) -> Assessment:
    inspect = f'.network.resolve["{promise.host}"]'
    addresses = facts.network.resolve.get(promise.host, NOT_ASKED)
    if isinstance(addresses, Unseen):
        return unproven_because(addresses, inspect)
    if any(addresses):
        return kept(", ".join(filter(None, addresses)), inspect=inspect)
    return broken(
        "the resolver does not know this name",
        "no service in the environment has this name; compare it with the environment file letter by letter",
        inspect=inspect,
    )


def _reaches(promise: Reaches, facts: Facts) -> Assessment:
    key = f"{promise.host}:{promise.port}"
    inspect = f'.network.connect["{key}"]'
    connection = facts.network.connect.get(key, NOT_ASKED)
    if isinstance(connection, Unseen):
        return unproven_because(connection, inspect)
    if connection.outcome == "connected":
        return kept(connection.output or connection.outcome, inspect=inspect)
    return broken(f"{connection.outcome}: {connection.output}", _likely(connection.outcome), inspect=inspect)


def _likely(outcome: str) -> str:
    """Why a connection failed with this outcome."""
    return {
        "unresolved": "the name is wrong or the service is not deployed; compare it with the environment file",
        "refused": "the host is up but nothing listens on this port; the port is wrong or the service is down",
        "unreachable": "no route; a network policy blocks it, or the service is on another network",
        "untrusted": "the job's CA bundle lacks the authority of the server, or its certificate is for another name",
    }.get(outcome, "the service hangs, or packets are dropped")


def _responds(promise: Responds, facts: Facts) -> Assessment:
    inspect = f'.network.responses["{promise.url}"]'
    response = facts.network.responses.get(promise.url, NOT_ASKED)
    if isinstance(response, Unseen):
        return unproven_because(response, inspect)
    if not response.status:
        return broken(f"{response.outcome}: {response.output}", _likely(response.outcome), inspect=inspect)
    if response.status == promise.status:
        return kept(f"status {response.status}", inspect=inspect)
    return broken(
        f"status {response.status}",
        "another service answers there, or it answers something else: compare the path, and who may read it",
        inspect=inspect,
    )


def _denied(promise: Denied, facts: Facts) -> Assessment:
    inspect = f'.network.forbidden["{promise.host}"]'
    forbidden = facts.network.forbidden.get(promise.host, NOT_ASKED)
    if isinstance(forbidden, Unseen):
        return unproven_because(forbidden, inspect)
    observed = {
        spelling: attempt
        for spelling, attempt in forbidden.attempts.items()
        if not isinstance(attempt, Unseen)
    }
    reached = [spelling for spelling, attempt in observed.items() if attempt.outcome == "connected"]
    if reached:
        return broken(
            f"connected to {', '.join(reached)}",
            "the job's network routes to it; block the address itself, not one notation of it",
            inspect=inspect,
        )
    routes = facts.network.default_routes
    if not isinstance(routes, Unseen) and routes:
        return broken(
            f"default route via {', '.join(routes)} leads there; no packet was sent",
            "the job's network routes outside, so nothing blocks the address",
            inspect=inspect,
        )
    if isinstance(forbidden.control, Unseen):
        return unproven_because(forbidden.control, inspect)
    if forbidden.control.outcome != "connected":
        return unproven(
            f"the positive control failed ({forbidden.control.outcome}: {forbidden.control.output}), so an unreachable stand-in proves nothing",
            inspect=inspect,
        )
    unseen = [attempt for attempt in forbidden.attempts.values() if isinstance(attempt, Unseen)]
    if unseen:
        return unproven_because(unseen[0], inspect)
    odd = {spelling: attempt for spelling, attempt in observed.items() if attempt.outcome not in _REFUSALS}
    if odd or not observed:
        detail = "; ".join(f"{spelling}: {attempt.outcome}" for spelling, attempt in odd.items())
        return unproven(f"inconclusive attempts: {detail or 'none made'}", inspect=inspect)
    spelled = ", ".join(f"{spelling} {attempt.outcome}" for spelling, attempt in observed.items())
    return kept(f"{spelled}; positive control connected", inspect=inspect)


def explain(promise: NetworkPromise) -> Explanation:
    match promise:
        case Egress():
            return Explanation(
                how="Default routes in /proc/net/route and ipv6_route, as a job sees them. "
                "With a local engine this judges the run's network. On a real runner the absence of a route is "
                "evidence, its presence is not: a job must reach its code host, and a policy may block the rest.",
                unproven=f"{RUNNER_LOST}; /proc/net is not readable; "
                "or a real runner has a default route (skipped).",
                why="A job with internet access can leak what it sees, and depends on what it downloads.",
                breaks="A runner attached to a network that routes outside.",
                fix="Use an internal network (Docker) or an egress NetworkPolicy (Kubernetes).",
            )
        case Resolves():
            return Explanation(
                how="Queries the job's resolver with getent(1); any address counts. "
                "In the embedded environment, the run serves the names listed in the environment file.",
                unproven=f"{RUNNER_LOST}; the run could not start the host; or the image lacks getent(1).",
                why="A wrong name looks like a service that is down, and each job waits until it times out.",
                breaks="A small typo: attic-api instead of attic.",
                fix=f"Compare {promise.host} with the environment file and with the deployed service.",
            )
        case Reaches():
            return Explanation(
                how="The service must accept a TCP connection from the job.",
                unproven=f"{RUNNER_LOST}; the run could not start the host; "
                "the image has no tool to open a connection; "
                "or the run's network has no way out and the environment has no host in that domain (skipped).",
                why="A resolving name does not mean a working service.",
                breaks="A wrong port, a service that is down, a network policy.",
                fix=f"Compare {promise.host}:{promise.port} with the port the service listens on.",
            )
        case Responds():
            return Explanation(
                how="The job's curl, or else wget, requests the URL with its own settings and follows no redirect: "
                "a proxy and the CA bundle count as they do for any job.",
                unproven=f"{RUNNER_LOST}; the run could not start the host; the image has neither curl nor wget; "
                "or the run's network has no way out and the environment has no host in that domain (skipped).",
                why="A service that accepts connections may still refuse or redirect every request.",
                breaks="A wrong path, an expired certificate, a proxy, a service that answers 503.",
                fix=f"Request {promise.url} by hand in the job, and compare the status.",
            )
        case Denied():
            return Explanation(
                how="A stand-in container plays the host; "
                "a neighbour allowed to reach it must succeed (positive control). "
                "The job then tries every notation of the address (dotted, decimal, octal, hexadecimal, IPv6-mapped); "
                "each must be refused or unreachable immediately. "
                "A default route breaks the promise without a packet being sent.",
                unproven="The stand-in does not start or does not respond to its neighbour; "
                "an attempt times out, which proves nothing; "
                "or on a real runner, which has no stand-in and where no real host is contacted (skipped).",
                why="A job that can read the cloud metadata service obtains the node's identity.",
                breaks="A network that routes there, or a policy that blocks only one notation of the address.",
                fix="Block the address in the network, not a hostname in a proxy.",
            )
        case _:
            assert_never(promise)
