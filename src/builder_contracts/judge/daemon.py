"""Judge promises about the Docker daemon of a class."""

from __future__ import annotations

import re
from typing import assert_never

from builder_contracts.contract.promises.daemon import (
    DaemonEndpoint,
    DaemonListens,
    DaemonOwn,
    DaemonPromise,
    DaemonReady,
    DaemonSetting,
    DaemonVersion,
)
from builder_contracts.contract.version_ranges import release_in
from builder_contracts.facts.model import DaemonFacts, Facts, Unseen
from builder_contracts.judge import daemon_settings
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.ports import is_loopback
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept, unproven

_DOWN = "the daemon did not start; the end of its log says why"

# What a client says that did not come through, and why.
_CAUSES = (
    (r"client version \S+ is too (old|new)", "DOCKER_API_VERSION, or the client's release, does not suit the daemon"),
    (r"context not found",
     "DOCKER_CONTEXT, or currentContext in the client's config.json, names a context that does not exist"),
    (r"\b(ca|cert|key)\.pem\b|HTTP response to HTTPS client",
     "the client uses TLS (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH), and lacks its certificates or the daemon has no TLS"),
    (r"HTTP request to an HTTPS server", "the daemon requires TLS; set DOCKER_TLS_VERIFY and DOCKER_CERT_PATH"),
    (r"permission denied", "the job's user may not use the daemon's socket"),
    (r"Error response from daemon", "the daemon responds, and refuses the client, which may speak to it by a wrong DOCKER_API_VERSION"),
)  # fmt: skip


def judge(promise: DaemonPromise, facts: Facts) -> Assessment:
    if isinstance(promise, DaemonListens):
        return _listens(promise, facts)
    daemon = facts.daemon
    if isinstance(daemon, Unseen):
        return unproven_because(daemon, ".daemon")
    if isinstance(promise, DaemonSetting):
        return daemon_settings.judge(promise, daemon.settings)
    match promise:
        case DaemonEndpoint():
            return _endpoint(promise, daemon, facts)
        case DaemonReady():
            return _ready(promise, daemon)
        case DaemonVersion():
            return _version(promise, daemon)
        case DaemonOwn():
            return _own(daemon, facts)
        case _:
            assert_never(promise)


def _endpoint(promise: DaemonEndpoint, daemon: DaemonFacts, facts: Facts) -> Assessment:
    if isinstance(facts.env, Unseen):
        return unproven_because(facts.env, ".env")
    host = facts.env.get("DOCKER_HOST")
    if host != promise.endpoint:
        return broken(
            f"DOCKER_HOST={host!r}" if host is not None else "DOCKER_HOST is not set",
            f"the image or the pool's template does not set {promise.endpoint}",
            inspect=".env.DOCKER_HOST",
        )
    # Only the client's own response counts: an open port elsewhere does not make a daemon at DOCKER_HOST.
    if not daemon.reachable or not daemon.version:
        return broken(daemon.how, unreached(daemon.how), inspect=".daemon")
    return kept(daemon.how or f"server {daemon.version}", inspect=".daemon")


def unreached(how: str) -> str:
    """Why a client does not come through to a daemon, by what it printed."""
    return next(
        (cause for pattern, cause in _CAUSES if re.search(pattern, how)),
        "the daemon does not listen on DOCKER_HOST, or did not start",
    )


def _ready(promise: DaemonReady, daemon: DaemonFacts) -> Assessment:
    if daemon.failure:
        return broken(daemon.failure, _DOWN, inspect=".daemon.failure")
    if isinstance(daemon.ready_after, Unseen):
        return unproven_because(daemon.ready_after, ".daemon.ready_after")
    seen = f"responded after {daemon.ready_after:.1f} s"
    if daemon.ready_after <= promise.seconds:
        return kept(seen, inspect=".daemon.ready_after")
    return broken(
        seen, "the host is overloaded, or the daemon's storage is slow", inspect=".daemon.ready_after"
    )


def _version(promise: DaemonVersion, daemon: DaemonFacts) -> Assessment:
    inspect = ".daemon.version"
    release = release_in(daemon.version)
    if release is None:
        return unproven(f"no daemon reported a version: {daemon.how}", inspect=inspect)
    if promise.version.holds(release):
        return kept(f"server {daemon.version}", inspect=inspect)
    return broken(f"server {daemon.version}", "the sidecar image has a different release", inspect=inspect)


def _listens(promise: DaemonListens, facts: Facts) -> Assessment:
    key = f"{promise.port}/tcp"
    inspect = f'.ports["{key}"]'
    if isinstance(facts.ports, Unseen):
        return unproven_because(facts.ports, inspect)
    addresses = facts.ports.get(key)
    if not addresses:
        return unproven(f"nothing listens on port {promise.port}", inspect=inspect)
    seen = f"port {promise.port} listens on {', '.join(addresses)}"
    if is_loopback(addresses):
        return kept(seen, inspect=inspect)
    return broken(
        seen,
        "dockerd --host names another address, so everybody on the network can control the daemon",
        inspect=inspect,
    )


def _own(daemon: DaemonFacts, facts: Facts) -> Assessment:
    inspect = ".daemon.id"
    runner = facts.runner
    if isinstance(runner, Unseen):
        return unproven_because(runner, ".runner")
    if not daemon.id:
        return unproven(f"no daemon reported an ID: {daemon.how}", inspect=inspect)
    if not runner.engine_id:
        return unproven("the engine that runs this runner is unknown", provable_here=False, inspect=inspect)
    if daemon.id == runner.engine_id:
        return broken(
            f"daemon ID {daemon.id} equals that of the engine running this job",
            "the host's socket is mounted, so any job controls the host",
            inspect=inspect,
        )
    return kept(f"daemon ID {daemon.id}, engine ID {runner.engine_id}", inspect=inspect)


def explain(promise: DaemonPromise) -> Explanation:
    if isinstance(promise, DaemonSetting):
        return daemon_settings.explain(promise)
    match promise:
        case DaemonEndpoint():
            return Explanation(
                how="The job's DOCKER_HOST must be the promised endpoint, and a Docker daemon must respond there.",
                unproven=f"{RUNNER_LOST}; or the image has no tool to query a daemon.",
                why="The docker client uses only DOCKER_HOST; "
                "if that names a port, a daemon on a socket is useless to the job.",
                breaks="A sidecar started without --host=tcp://…, or another DOCKER_HOST.",
                fix=f"Start the sidecar with --host={promise.endpoint}, and give jobs DOCKER_HOST={promise.endpoint}.",
            )
        case DaemonListens():
            return Explanation(
                how="The listening TCP sockets of the job's network namespace, in /proc/net/tcp and tcp6: "
                "each at this port must be bound to a loopback address.",
                unproven=f"{RUNNER_LOST}; or /proc/net is not readable.",
                why="A daemon without TLS obeys everybody who reaches its port.",
                breaks="A sidecar started with --host=tcp://0.0.0.0:2375.",
                fix=f"Start dockerd with --host=tcp://127.0.0.1:{promise.port}.",
            )
        case DaemonReady():
            return Explanation(
                how="Time from sidecar start to first response, measured by the run that starts it.",
                unproven=f"{RUNNER_LOST}; or this run did not start the daemon, as on a real runner (skipped).",
                why="A job that starts with 'docker build' fails if the daemon is not up yet.",
                breaks="Slow storage, an image without dockerd, a daemon that dies on startup.",
                fix="See the end of the daemon's log in the verdict.",
            )
        case DaemonVersion():
            return Explanation(
                how="The server version that the daemon reports to the job.",
                unproven=RUNNER_LOST + ".",
                why="Build features and API versions depend on the server, not on the client in the image.",
                breaks="A sidecar image with a different release.",
                fix=f"Use a sidecar image whose engine version satisfies {promise.version.text}.",
            )
        case DaemonOwn():
            return Explanation(
                how="The ID of the job's daemon must differ from that of the engine running the job's container.",
                unproven="One of the two IDs is unknown, as on a real runner (skipped).",
                why="A job that can use the host's engine controls the host, and shares images and names with all other jobs.",
                breaks="The host's socket mounted into the job or its sidecar.",
                fix="Give the class a sidecar with its own daemon.",
            )
        case _:
            assert_never(promise)
