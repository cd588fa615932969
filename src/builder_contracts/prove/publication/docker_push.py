"""Carries out the proofs of a class with a Docker daemon: build, run, and push with a real engine."""

from __future__ import annotations

from urllib.parse import urlsplit

from builder_contracts.prove.job import ProofJob, said
from builder_contracts.prove.publication.experiment import IDENTITIES, MANIFESTS, remove_tags
from builder_contracts.prove.records import (
    AccessLogLine,
    PublishAttempt,
    StoreLookup,
    Unavailable,
    controlled,
)
from builder_contracts.prove.testbed import Testbed
from builder_contracts.services.principals import READER

IMAGE = "canary-image"
DEADLINE = 90


def push(bench: Testbed, job: ProofJob) -> dict[str, PublishAttempt | Unavailable]:
    """Push what was built as everybody; then look from outside what arrived. Raises Failed, ServiceDown."""
    endpoint = bench.endpoints["registry"]
    registry = urlsplit(endpoint.url).netloc
    lacking = {name: lost for name in IDENTITIES if (lost := endpoint.lacks(name))}
    names = [name for name in IDENTITIES if name not in lacking]
    repositories = {name: f"proof/{bench.nonce()}" for name in names}
    answers: dict[str, dict[str, str]] = {}
    found: dict[str, dict[str, StoreLookup]] = {}
    lines: dict[str, tuple[AccessLogLine, ...]] = {}
    bench.ready("registry")
    bench.trust(job, registry)
    try:
        for name, repository in repositories.items():
            before = len(bench.served(endpoint.service))
            answers[name] = {"docker push": _push(bench, job, registry, repository, name)}
            lines[name] = tuple(
                line for line in bench.served_to(job.address, endpoint.service, since=before, of=frozenset({name}))
                if line.identity == name and line.method != "GET"
            )  # fmt: skip
            found[name] = {"docker push": _look(bench, repository)}
    finally:
        left = "" if endpoint.service else remove_tags(bench, list(repositories.values()))
    bench.ready("registry")
    tried = {
        name: PublishAttempt(
            name,
            answers[name],
            found[name],
            {},
            lines[name],
            "docker push",
            bool(endpoint.service),
            left,
            bench.looker("registry"),
        )
        for name in names
    }
    return controlled({**tried, **lacking})


def _push(bench: Testbed, job: ProofJob, registry: str, repository: str, identity: str) -> str:
    """One push with a client configuration of its own; what the engine was answered."""
    config = {"DOCKER_CONFIG": f"{job.folder}.docker-{identity}"}
    who = bench.identity("registry", identity)
    if who.secret:
        # From a file that only the job reads: others can list the arguments of a machine's processes.
        file = f"{job.folder}.keys/{identity}"
        job.write(file, who.secret.encode())
        login = 'docker login --username "$1" --password-stdin "$2" <"$3"'
        done = job.run(
            ["sh", "-c", login, "sh", who.name, registry, file], deadline=DEADLINE, environment=config
        )
        if done.status != 0:
            return f"{_status(said(done))} login: {said(done)}"
    reference = f"{registry}/{repository}:proof"
    job.must("naming the image", ["docker", "tag", IMAGE, reference], environment=config)
    done = job.run(["docker", "push", reference], deadline=DEADLINE, environment=config)
    bench.outputs.append(done.stdout + done.stderr)
    if done.status == 0:
        return "OK pushed"
    return f"{_status(said(done))} {said(done)}"


def _status(text: str) -> str:
    """The HTTP status behind Docker's words, by the error codes of the distribution specification."""
    lowered = text.lower()
    if "unauthorized" in lowered or "no basic auth credentials" in lowered:
        return "401"
    if "denied" in lowered:
        return "403"
    if any(
        word in lowered
        for word in ("no such host", "connection refused", "timeout", "unexpected status", "eof")
    ):
        return "LOST"
    return "refused"


def _look(bench: Testbed, repository: str) -> StoreLookup:
    request = {
        "kind": "http",
        "method": "HEAD",
        "url": f"{bench.endpoints['registry'].url}/v2/{repository}/manifests/proof",
        "trust": bench.certificate("registry"),
        "headers": {"Accept": MANIFESTS, **bench.headers("registry", READER)},
    }
    status = bench.ask([request])[0]["status"]
    return StoreLookup({"200": True, "404": False}.get(status), f"manifest answers {status}")


def known(job: ProofJob) -> str | None:
    """The id of the image that has the canary's name in the job's daemon: empty where none has, None where the daemon
    does not say."""
    listed = ["docker", "image", "ls", "--quiet", "--no-trunc", f"{IMAGE}:latest"]
    done = job.run(listed, deadline=DEADLINE)
    return done.stdout.decode().strip() if done.status == 0 else None


def forget(job: ProofJob, before: str | None) -> None:
    """Remove from a machine's daemon what was built, under all of its names; who had the name ``before`` gets it back.

    Where that is not known the image stays: it may be somebody else's.
    """
    built = known(job)
    if built and before is not None and built != before:
        job.run(["docker", "image", "rm", "--force", built], deadline=DEADLINE)
        if before:
            job.run(["docker", "tag", before, IMAGE], deadline=DEADLINE)
