"""Carries out the proofs of a class with a Docker daemon: build, run, and push with a real engine."""

from __future__ import annotations

import io
import tarfile
from typing import Any
from urllib.parse import urlsplit

from builder_contracts.prove.bench import Bench
from builder_contracts.prove.job import Failed, Job, said
from builder_contracts.prove.records import Attempt, Looked, Lost, Served
from builder_contracts.runner import engine
from builder_contracts.services.host import ServiceDown
from builder_contracts.services.identities import ANONYMOUS, READER, WRITER

IMAGE = "canary-image"
DEADLINE = 90


def trust(bench: Bench, daemon: str, registry: str) -> None:
    """Give the class's daemon the certificate of the run's registry, as an operator would. Raises Failed."""
    certificate = bench.certificate("registry").encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        entry = tarfile.TarInfo(f"docker/certs.d/{registry}/ca.crt")
        entry.size, entry.mode = len(certificate), 0o644
        packed.addfile(entry, io.BytesIO(certificate))
    api: Any = bench.engine_client.api
    try:
        api.put_archive(daemon, "/etc", buffer.getvalue())
    except engine.LOST as error:
        raise Failed("giving the daemon the registry's certificate", engine.reason(error)) from None


def push(bench: Bench, job: Job, daemon: str) -> dict[str, Attempt | Lost]:
    """Push what was built as everybody; then look from outside what arrived."""
    url = bench.endpoints["registry"].url
    registry = urlsplit(url).netloc
    service = bench.endpoints["registry"].service
    try:
        bench.host.up(service)
        trust(bench, daemon, registry)
        attempts: dict[str, Attempt | Lost] = {}
        answers: dict[str, dict[str, str]] = {}
        found: dict[str, dict[str, Looked]] = {}
        lines: dict[str, tuple[Served, ...]] = {}
        for name in (ANONYMOUS, READER, WRITER):
            repository = f"proof/{bench.nonce()}"
            before = len(bench.served(service))
            answers[name] = {"docker push": _push(bench, job, registry, repository, name)}
            lines[name] = tuple(
                line for line in bench.served_to(job.address, service, since=before, of=frozenset({name}))
                if line.identity == name and line.method != "GET"
            )  # fmt: skip
            found[name] = {"docker push": _look(bench, url, repository)}
        bench.host.up(service)
    except Failed as failed:
        return dict.fromkeys((ANONYMOUS, READER, WRITER), failed.lost)
    except ServiceDown as down:
        return dict.fromkeys((ANONYMOUS, READER, WRITER), Lost(str(down)))
    for name in answers:
        attempts[name] = Attempt(
            name, answers[name], found[name], answers[WRITER], lines[name], "docker push"
        )
    return attempts


def _push(bench: Bench, job: Job, registry: str, repository: str, identity: str) -> str:
    """One push with a client configuration of its own; what the engine was answered."""
    config = {"DOCKER_CONFIG": f"{job.folder}.docker-{identity}"}
    who = bench.credentials.of(identity)
    if who.secret:
        login = (
            'mkdir -p "$DOCKER_CONFIG" && printf %s "$2" | docker login --username "$1" --password-stdin "$3"'
        )
        done = job.run(
            ["sh", "-c", login, "sh", who.name, who.secret, registry], deadline=DEADLINE, environment=config
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


def _look(bench: Bench, url: str, repository: str) -> Looked:
    kinds = ", ".join(
        (
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.oci.image.index.v1+json",
            "application/vnd.docker.distribution.manifest.v2+json",
        )
    )
    answer = bench.ask(
        [
            {
                "kind": "http",
                "method": "HEAD",
                "url": f"{url}/v2/{repository}/manifests/proof",
                "trust": bench.certificate("registry"),
                "headers": {"Accept": kinds, "Authorization": bench.credentials.reader.authorization},
            }
        ]
    )[0]
    return Looked({"200": True, "404": False}.get(answer["status"]), f"manifest answers {answer['status']}")
