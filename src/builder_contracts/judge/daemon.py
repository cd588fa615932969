"""Judges promises about the Docker daemon of a class."""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.promises.daemon import (
    DaemonEndpoint,
    DaemonOwn,
    DaemonPromise,
    DaemonReady,
    DaemonVersion,
)
from builder_contracts.contract.version_ranges import release_in
from builder_contracts.facts.model import DaemonFacts, Facts, Unseen
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept, unproven

_DOWN = "the daemon did not start: its container's log says why ('docker logs' with BUILDER_CONTRACTS_KEEP=1)"


def judge(promise: DaemonPromise, facts: Facts) -> Assessment:
    daemon = facts.daemon
    if isinstance(daemon, Unseen):
        return unproven_because(daemon, ".daemon")
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
            f"the image or the pool's template points jobs elsewhere than {promise.endpoint}",
            look=".env.DOCKER_HOST",
        )
    # Only the client's own answer counts: a port that is open elsewhere is no daemon at DOCKER_HOST.
    if not daemon.reachable or not daemon.version:
        return broken(
            daemon.how, "the daemon listens elsewhere than DOCKER_HOST says, or did not start", look=".daemon"
        )
    return kept(daemon.how or f"server {daemon.version}", look=".daemon")


def _ready(promise: DaemonReady, daemon: DaemonFacts) -> Assessment:
    if daemon.failure:
        return broken(daemon.failure, _DOWN, look=".daemon.failure")
    if isinstance(daemon.ready_after, Unseen):
        return unproven_because(daemon.ready_after, ".daemon.ready_after")
    seen = f"answered after {daemon.ready_after:.1f} s"
    if daemon.ready_after <= promise.seconds:
        return kept(seen, look=".daemon.ready_after")
    return broken(seen, "the host is overloaded, or the daemon's storage is slow", look=".daemon.ready_after")


def _version(promise: DaemonVersion, daemon: DaemonFacts) -> Assessment:
    look = ".daemon.version"
    release = release_in(daemon.version)
    if release is None:
        return unproven(f"no daemon told its version: {daemon.how}", look=look)
    if promise.version.holds(release):
        return kept(f"server {daemon.version}", look=look)
    return broken(f"server {daemon.version}", "the sidecar's image has another release", look=look)


def _own(daemon: DaemonFacts, facts: Facts) -> Assessment:
    look = ".daemon.id"
    runner = facts.runner
    if isinstance(runner, Unseen):
        return unproven_because(runner, ".runner")
    if not daemon.id:
        return unproven(f"no daemon told its id: {daemon.how}", look=look)
    if not runner.engine_id:
        return unproven("the engine around this runner is not known", here=False, look=look)
    if daemon.id == runner.engine_id:
        return broken(
            f"the daemon's id {daemon.id} is that of the engine that runs this job",
            "the host's socket is mounted: whoever runs a job owns the host",
            look=look,
        )
    return kept(f"daemon {daemon.id}, engine {runner.engine_id}", look=look)
