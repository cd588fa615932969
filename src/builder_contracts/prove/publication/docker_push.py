"""Perform the proofs of a class with a Docker daemon: build, run, and push with a real engine."""

from __future__ import annotations

from urllib.parse import urlsplit

from builder_contracts.prove import lookup_identity
from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.job import ProofJob, format_completed
from builder_contracts.prove.publish_attempt import IDENTITIES, PublishAttempt, with_control
from builder_contracts.prove.registry_tags import MANIFESTS, TAG, remove_tags
from builder_contracts.prove.store_lookup import StoreLookup
from builder_contracts.prove.testbed import Testbed
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.services.principals import READER

IMAGE = "canary-image"
DEADLINE = 90
_OPERATION = "docker push"


def push(bench: Testbed, job: ProofJob) -> dict[str, PublishAttempt | Unavailable]:
    """Push what was built as everybody; then look from outside what arrived. Raises Failed, ServiceDown."""
    endpoint = bench.endpoints["registry"]
    registry = urlsplit(endpoint.url).netloc
    looker = lookup_identity.choose(bench, "registry")
    lacking = {name: lost for name in IDENTITIES if (lost := endpoint.lacks(name))}
    if looker.no_reader is not None:
        lacking[READER] = looker.no_reader
    repositories = {name: f"proof/{bench.nonce()}" for name in IDENTITIES if name not in lacking}
    answers: dict[str, str] = {}
    lookups: dict[str, StoreLookup] = {}
    lines: dict[str, tuple[AccessLogLine, ...]] = {}
    bench.ready("registry")
    bench.trust(job, registry)
    try:
        for name, repository in repositories.items():
            log_start = len(bench.access_log(endpoint.service))
            answers[name] = _push(bench, job, registry, repository, name)
            logged = bench.access_log_of(
                job.address, endpoint.service, since=log_start, expect=frozenset({name})
            )
            lines[name] = tuple(line for line in logged if line.identity == name and line.method != "GET")
            lookups[name] = _look(bench, repository, looker.name)
    finally:
        leftovers = "" if endpoint.service else remove_tags(bench, list(repositories.values()))
    bench.ready("registry")
    attempts = {
        name: PublishAttempt(
            name,
            {_OPERATION: answers[name]},
            {_OPERATION: lookups[name]},
            {},
            lines[name],
            _OPERATION,
            bool(endpoint.service),
            leftovers,
            bench.reader_description("registry", looker.name),
        )
        for name in repositories
    }
    return with_control({**attempts, **lacking}, anonymous_reader=endpoint.anonymous_reader)


def _push(bench: Testbed, job: ProofJob, registry: str, repository: str, identity: str) -> str:
    """Push with a separate client configuration; return the status that the engine got, and its text."""
    config = {"DOCKER_CONFIG": f"{job.folder}.docker-{identity}"}
    principal = bench.identity("registry", identity)
    if principal.secret:
        # From a file that only the job reads: others can list the arguments of a machine's processes.
        file = f"{job.folder}.keys/{identity}"
        job.write(file, principal.secret.encode())
        script = 'docker login --username "$1" --password-stdin "$2" <"$3"'
        login = job.run(
            ["sh", "-c", script, "sh", principal.name, registry, file], deadline=DEADLINE, env=config
        )
        if login.status != 0:
            return f"{push_status(login)} login: {format_completed(login)}"
    reference = f"{registry}/{repository}:{TAG}"
    job.must("tagging the image", ["docker", "tag", IMAGE, reference], env=config)
    pushed = job.run(["docker", "push", reference], deadline=DEADLINE, env=config)
    bench.outputs.append(pushed.stdout + pushed.stderr)
    if pushed.status == 0:
        return "OK pushed"
    return f"{push_status(pushed)} {format_completed(pushed)}"


def push_status(completed: CompletedCommand) -> str:
    """The HTTP status behind Docker's words, by the error codes of the distribution specification."""
    if completed.status is None:
        return "LOST"
    words = format_completed(completed).lower()
    if "unauthorized" in words or "no basic auth credentials" in words:
        return "401"
    if "denied" in words:
        return "403"
    if any(
        word in words
        for word in ("no such host", "connection refused", "timeout", "unexpected status", "eof")
    ):
        return "LOST"
    return "refused"


def _look(bench: Testbed, repository: str, looker: str) -> StoreLookup:
    request = {
        "kind": "http",
        "method": "HEAD",
        "url": f"{bench.endpoints['registry'].url}/v2/{repository}/manifests/{TAG}",
        "trust": bench.certificate("registry"),
        "headers": {"Accept": MANIFESTS, **bench.headers("registry", looker)},
    }
    status = bench.ask([request])[0]["status"]
    return StoreLookup({"200": True, "404": False}.get(status), f"manifest request returned {status}")


def find_image(job: ProofJob) -> str | None:
    """The ID of the image that has the canary's name in the job's daemon: empty if none has, None if the daemon
    does not say."""
    arguments = ["docker", "image", "ls", "--quiet", "--no-trunc", f"{IMAGE}:latest"]
    listed = job.run(arguments, deadline=DEADLINE)
    return listed.stdout.decode().strip() if listed.status == 0 else None


def remove_image(job: ProofJob, before: str | None) -> None:
    """Remove from a machine's daemon what was built, under all of its names; what had the name ``before`` gets it back.

    If that is not known the image stays: it may be somebody else's.
    """
    built = find_image(job)
    if built and before is not None and built != before:
        job.run(["docker", "image", "rm", "--force", built], deadline=DEADLINE)
        if before:
            job.run(["docker", "tag", before, IMAGE], deadline=DEADLINE)
