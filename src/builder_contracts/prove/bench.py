"""Where the proofs of one run are carried out: fresh runners, the services around them, clients at their side."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import docker

from builder_contracts.facts.model import Runner as RunnerFacts
from builder_contracts.facts.model import Unseen
from builder_contracts.prove.job import Failed, Job, said
from builder_contracts.prove.records import Served
from builder_contracts.runner import engine
from builder_contracts.runner.docker import DockerRunner
from builder_contracts.runner.launch import LaunchPlan
from builder_contracts.runner.ownership import Run
from builder_contracts.services.catalogue import CONF
from builder_contracts.services.host import Host
from builder_contracts.services.identities import Credentials, Identity

LOG_LAG = 5.0
"""Seconds after which no line of a request is expected any more."""
SETTLED = 0.1
"""Seconds between two looks into a log."""

_PYTHON = "/opt/services/bin/python"


@dataclass(frozen=True)
class Endpoint:
    """A role as the environment binds it: its URL, and the service of the run behind it.

    Without a service it is a deployment's own: then ``credentials`` are its identities, and for a Nix cache
    ``signing_key`` is the secret key of its clients or ``public_key`` that of its server.
    """

    role: str
    url: str
    service: str
    credentials: Credentials | None = None
    signing_key: str = field(default="", repr=False)
    public_key: str = ""


@dataclass
class Bench:
    """One class on one environment. ``token`` is the secret that its jobs can see; ``client`` is an id."""

    engine_client: docker.DockerClient
    run: Run
    host: Host
    credentials: Credentials
    endpoints: Mapping[str, Endpoint]
    name: str
    image: str
    plan: LaunchPlan
    home: str
    about: RunnerFacts
    token: str = field(default_factory=lambda: secrets.token_hex(24), repr=False)
    outputs: list[bytes] = field(default_factory=list, repr=False)
    _count: int = 0
    bucket_ready: bool = False
    bucket_lock: threading.Lock = field(default_factory=threading.Lock)
    _certificates: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _outsider: str = ""

    def identity(self, role: str, name: str) -> Identity:
        """The identity of that name as the endpoint of a role knows it."""
        return (self.endpoints[role].credentials or self.credentials).of(name)

    def nonce(self) -> str:
        """A value that no run has ever used."""
        return secrets.token_hex(16)

    @contextlib.contextmanager
    def fresh(self, what: str) -> Iterator[tuple[Job, DockerRunner]]:
        """A runner of the class that has never run anything. Raises Failed when there can be none."""
        with self._lock:
            self._count += 1
            name = f"{self.name}-{what}-{self._count}"
        runner = DockerRunner(
            self.engine_client,
            self.run,
            name=name,
            image=self.image,
            # Without the CPU request: it is a weight, and a small one starves a build on a busy host. That
            # the class has it is a clause of its own.
            plan=dataclasses.replace(self.plan, network="internal", cpu_request=None),
            network=self.host,  # type: ignore[arg-type] # a network of the run: all that a runner asks of it
            about_engine=self.about,
        )
        with runner:
            start = runner.setting.start
            if isinstance(start, Unseen):
                raise Failed("starting a fresh runner", start.unseen, here=start.here)
            if not start.started:
                raise Failed("starting a fresh runner", start.said)
            job = Job(
                runner,
                f"{self.home}/proof",
                {"CI_PROOF_SECRET": self.token},
                self.address(runner.container),
            )
            yield job, runner

    def address(self, container: str) -> str:
        """The address of a container on the run's network."""
        api: Any = self.engine_client.api
        try:
            networks = api.inspect_container(container)["NetworkSettings"]["Networks"]
        except engine.LOST as error:
            raise Failed("asking for the runner's address", engine.reason(error)) from None
        return str(next(iter(networks.values()))["IPAddress"])

    def ask(self, requests: Sequence[Mapping[str, Any]], *, beside: str = "") -> list[dict[str, Any]]:
        """Send requests from outside, or from the network position of the container ``beside``.

        Answers come in the order of the requests; see ``outsider``. Raises Failed when the client is lost.
        """
        program = resources.files(__package__).joinpath("outsider.py").read_text("utf-8")
        container = self._beside(beside) if beside else self._outside()
        done = engine.execute(
            self.engine_client, container, [_PYTHON, "-c", program, json.dumps(list(requests))], deadline=60
        )
        if done.status != 0:
            raise Failed("asking the services", done.ended or done.stderr.decode("utf-8", "replace")[-300:])
        answers: list[dict[str, Any]] = json.loads(done.stdout)
        return answers

    def served(self, service: str, *, since: int = 0) -> tuple[Served, ...]:
        """The access log of a service from its line number ``since`` on; a deployment's is not at hand: empty."""
        if not service:
            return ()
        lines = [line for line in self.host.log(service) if line.get("part") == "nginx"][since:]
        return tuple(
            Served(
                str(line.get("identity")), str(line.get("from")), str(line.get("method")), str(line.get("uri")),
                int(line.get("status", 0)), str(line.get("grpc", "")),
            )
            for line in lines
        )  # fmt: skip

    def served_to(
        self, address: str, service: str, *, since: int, of: frozenset[str] = frozenset()
    ) -> tuple[Served, ...]:
        """The lines of one client that has ended, from the line number ``since`` on.

        A server writes a line when a request is over, and the engine copies it later still. So the log is read
        until nothing more comes of this client, and each identity of ``of`` has a line; LOG_LAG at most.
        """
        patience = time.monotonic() + LOG_LAG
        lines: tuple[Served, ...] | None = None
        while service:
            before = lines
            lines = tuple(line for line in self.served(service, since=since) if line.source == address)
            if (lines == before and of <= {line.identity for line in lines}) or time.monotonic() > patience:
                break
            time.sleep(SETTLED)
        return lines or ()

    def certificate(self, role: str) -> str:
        """The certificate of a service of the run that speaks TLS, empty for the others. Raises Failed."""
        endpoint = self.endpoints[role]
        if not endpoint.url.startswith("https:"):
            return ""
        if role in self._certificates:
            return self._certificates[role]
        done = self.host.execute(endpoint.service, ["cat", f"{CONF}/certificate.pem"], part=0)
        if done.status != 0:
            raise Failed(f"reading the certificate of {endpoint.service}", said(done))
        return self._certificates.setdefault(role, done.stdout.decode())

    def _outside(self) -> str:
        with self._lock:
            if not self._outsider:
                self._outsider = self.host.container(f"outsider-{self.name}", ["sleep", "infinity"])
            return self._outsider

    def _beside(self, container: str) -> str:
        with self._lock:
            self._count += 1
            what = f"client-{self.name}-{self._count}"
        return self.host.container(what, ["sleep", "infinity"], network_mode=f"container:{container}")


def coded(text: str | bytes) -> str:
    """A body as the outsider takes it."""
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()
