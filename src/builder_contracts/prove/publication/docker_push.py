"""Perform the proofs of a class with a Docker daemon: build, run, and push with a real engine."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from builder_contracts.prove import lookup_identity
from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.class_settings import ClassSetting
from builder_contracts.prove.job import ProofJob, format_completed
from builder_contracts.prove.publish_attempt import IDENTITIES, PublishAttempt, is_accepted, with_control
from builder_contracts.prove.registry_tags import TAG, manifest, remove_tags
from builder_contracts.prove.store_lookup import StoreLookup
from builder_contracts.prove.testbed import Testbed
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.services.principals import WRITER

IMAGE = "canary-image"
DEADLINE = 90
_OPERATION = "docker push"


def push(bench: Testbed, job: ProofJob) -> dict[str, PublishAttempt | Unavailable]:
    """Push what was built as everybody; then look from outside what arrived. Raises Failed, ServiceDown."""
    endpoint = bench.endpoints["registry"]
    registry = urlsplit(endpoint.url).netloc
    plain, settings = "", tuple[ClassSetting, ...]()
    looker = lookup_identity.choose(bench, "registry")
    lacking = looker.lacking(endpoint)
    repositories = {name: f"proof/{bench.nonce()}" for name in IDENTITIES if name not in lacking}
    answers: dict[str, str] = {}
    lookups: dict[str, StoreLookup] = {}
    lines: dict[str, tuple[AccessLogLine, ...]] = {}
    bench.ready("registry")
    bench.trust(job, registry)
    try:
        for name, repository in repositories.items():
            log_start = len(bench.access_log(endpoint.service))
            own = name == WRITER and not job.shared
            answers[name] = _push(bench, job, registry, repository, name, own=own)
            if own and not is_accepted(answers[name]):
                plain, settings = answers[name], _settings(job, registry)
                answers[name] = _push(bench, job, registry, repository, name, own=False)
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
            plain=plain if name == WRITER else "",
            settings=settings if name == WRITER else (),
        )
        for name in repositories
    }
    return with_control({**attempts, **lacking}, anonymous_reader=endpoint.anonymous_reader)


def _push(bench: Testbed, job: ProofJob, registry: str, repository: str, identity: str, *, own: bool) -> str:
    """Push with the class's ``own`` client configuration or with a separate one; return the status that the engine
    got, and its text.

    On a machine the own one is somebody's, whose credential store a login would change.
    """
    config = {} if own else {"DOCKER_CONFIG": f"{job.folder}.docker-{identity}"}
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


# Prints the path of the client's configuration, and its content.
_CONFIG = (
    'file="${DOCKER_CONFIG:-$HOME/.docker}/config.json"; printf "%s\n" "$file"; cat "$file" 2>/dev/null; :'
)


def _settings(job: ProofJob, registry: str) -> tuple[ClassSetting, ...]:
    """The settings of the class's own client that say where credentials are kept."""
    read = job.run(["sh", "-c", _CONFIG], deadline=30)
    path, _, content = read.stdout.decode("utf-8", "replace").partition("\n")
    helpers = credential_helpers(content, registry)
    if helpers is None:
        return (ClassSetting("no valid JSON", path),)
    settings = []
    for text, helper in helpers.items():
        installed = job.run(["sh", "-c", 'command -v "$1"', "sh", helper], deadline=30).status
        absent = f" ({helper} is not installed)" if installed not in (0, None) else ""
        settings.append(ClassSetting(f"{text}{absent}", path))
    return tuple(settings)


def credential_helpers(content: str, registry: str) -> dict[str, str] | None:
    """The helpers that a client configuration names for a registry, by its words; None if it cannot be read.

    Source: the reference of ``docker login``, "Credential stores" and "Credential helpers".
    """
    try:
        config = json.loads(content or "{}")
    except ValueError:
        return None
    if not isinstance(config, dict):
        return None
    helpers = {}
    if store := config.get("credsStore"):
        helpers[f'"credsStore": "{store}"'] = f"docker-credential-{store}"
    by_registry = config.get("credHelpers")
    if isinstance(by_registry, dict) and (helper := by_registry.get(registry)):
        helpers[f'"credHelpers": {{"{registry}": "{helper}"}}'] = f"docker-credential-{helper}"
    return helpers


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
    status = bench.ask([manifest(bench, looker, repository)])[0]["status"]
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
