"""The testbed of an experiment: jobs, endpoints, an external client and the logs of servers."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder_contracts.facts.model import RunnerFacts
from builder_contracts.prove.access_log import AccessLogLine
from builder_contracts.prove.endpoints import Endpoint
from builder_contracts.prove.job import ProofJob, StepFailed, format_completed
from builder_contracts.prove.store_lookup import ANOTHER, SECOND
from builder_contracts.redaction import Redactor
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.runner.protocol import CompletedCommand, Runner
from builder_contracts.runner.shutdown import Shutdown
from builder_contracts.runner.wrapped import Command, WrappedRunner, redact_completed
from builder_contracts.services.catalog import CONF
from builder_contracts.services.principals import ANONYMOUS, READER, WRITER, Credentials, Principal
from builder_contracts.services.stack import ServiceDown, ServiceStack

LOG_LAG = 5.0
"""Seconds after which no line of a request is expected any more."""
SETTLED = 0.1
"""Seconds between two looks into a log."""
# Seconds after which a command makes it look as if the service that it relies on were silent.
_SUSPICIOUS = 10.0
# Characters that a report has room for of what a server says.
_DETAIL = 300


@dataclass(kw_only=True)
class Testbed(ABC):
    """One class on one environment, until it is ended.

    ``token`` is the secret that its jobs can see, ``outputs`` what its builds printed, and ``unsearched`` names what left
    them and could not be copied out for the search. ``left_behind`` is what proofs wrote to a deployment and could not
    remove.
    """

    endpoints: Mapping[str, Endpoint]
    credentials: Credentials
    name: str
    about: RunnerFacts
    ending: Shutdown = field(default_factory=Shutdown)
    token: str = field(default_factory=lambda: secrets.token_hex(24), repr=False)
    outputs: list[bytes] = field(default_factory=list, repr=False)
    unsearched: list[str] = field(default_factory=list)
    left_behind: list[Leftovers] = field(default_factory=list)
    bucket_ready: bool = False
    bucket_lock: threading.Lock = field(default_factory=threading.Lock)
    _certificates: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _count: int = 0
    _thread: threading.local = field(default_factory=threading.local)
    _silent: dict[str, str] = field(default_factory=dict)

    @property
    @abstractmethod
    def services(self) -> ServiceStack | None:
        """The services that the run started, None if it starts none."""

    @property
    @abstractmethod
    def paths(self) -> tuple[str, ...]:
        """Paths that exist only on the builder, so no artifact may contain them."""

    @abstractmethod
    def fresh(self, purpose: str) -> contextlib.AbstractContextManager[ProofJob]:
        """A job without anything left from other jobs, until the context ends. Raises Failed if none can be made."""

    @abstractmethod
    def send(self, requests: str, *, beside: ProofJob | None, undo: bool) -> CompletedCommand:
        """Have ``outsider`` send requests in JSON. Nothing is sent after the end, but what undoes an earlier request."""

    def ask(
        self, requests: Sequence[Mapping[str, Any]], *, beside: ProofJob | None = None
    ) -> list[dict[str, Any]]:
        """Send requests from outside of the jobs, or from the network position of the job ``beside``.

        Answers come in the order of the requests; see ``outsider``. Raises Failed when the client is lost.
        """
        text = json.dumps(list(requests))
        return self._answers(self._watched(lambda _: self.send(text, beside=beside, undo=False), 0))

    def undo(self, requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The same from outside, even after the end, to remove what this run has written."""
        return self._answers(self.send(json.dumps(list(requests)), beside=None, undo=True))

    def _answers(self, completed: CompletedCommand) -> list[dict[str, Any]]:
        if completed.status != 0:
            raise StepFailed("sending requests", format_completed(redact_completed(self.mask, completed)))
        answers: list[dict[str, Any]] = json.loads(completed.stdout)
        for answer in answers:
            # A server can say again whatever it is sent.
            answer["detail"] = self.mask.redact(answer["detail"])[:_DETAIL]
        return answers

    @property
    @abstractmethod
    def bad_caches(self) -> str:
        """The URL under which jobs may put bad Nix caches: never a deployment's."""

    @abstractmethod
    def trust(self, job: ProofJob, registry: str) -> None:
        """See to it that the job's daemon knows the certificate of the registry at HOST[:PORT]. Raises Failed."""

    @property
    def mask(self) -> Redactor:
        """Replaces the secrets of this run's endpoints in whatever leaves it."""
        return Redactor(secret for endpoint in self.endpoints.values() for secret in endpoint.secrets)

    def identity(self, role: str, name: str) -> Principal:
        """The identity of that name as the endpoint of a role knows it."""
        return (self.endpoints[role].credentials or self.credentials).of(name)

    def headers(self, role: str, name: str) -> dict[str, str]:
        """The HTTP headers by which that identity shows who it is."""
        identity, header = self.identity(role, name), self.endpoints[role].token_header
        if not identity.secret:
            return {}
        return {header: identity.secret} if header else {"Authorization": identity.authorization}

    def reader_description(self, role: str, reader: str = READER) -> str:
        """Describe who reads what the writer wrote."""
        shown = [(self.headers(role, name), self.client_certificate(role, name)) for name in (WRITER, reader)]
        return SECOND if shown[0] == shown[1] else ANOTHER

    def http_request(
        self,
        role: str,
        name: str,
        path: str,
        *,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """A request of that identity for a path below the URL of a role. Raises StepFailed."""
        return {
            "kind": "http",
            "method": method,
            "url": f"{self.endpoints[role].url}/{path}",
            "headers": {**self.headers(role, name), **(headers or {})},
            "trust": self.certificate(role),
            "certificate": self.client_certificate(role, name),
            **({} if body is None else {"body": encode_body(body)}),
        }

    def grpc_call(self, role: str, name: str) -> dict[str, Any]:
        """What every call of that identity over gRPC has."""
        endpoint = self.endpoints[role]
        return {
            "kind": "grpc",
            "target": endpoint.url,
            "headers": self.headers(role, name),
            "trust": self.certificate(role),
            "certificate": self.client_certificate(role, name),
            "instance": endpoint.instance,
        }

    def nonce(self) -> str:
        """A value that no run has ever used."""
        return secrets.token_hex(16)

    @contextlib.contextmanager
    def relying_on(self, role: str) -> Iterator[None]:
        """What this thread does until the context ends needs the service of a role.

        Once that service is silent, nothing more is tried: a paused service costs the time of one command.
        """
        self._thread.role = role
        try:
            yield
        finally:
            self._thread.role = ""

    def _watched(self, command: Command, deadline: float) -> CompletedCommand:
        role = getattr(self._thread, "role", "")
        if reason := self._silent.get(role, ""):
            return CompletedCommand(None, b"", b"", reason)
        started_at = time.monotonic()
        completed = command(deadline)
        if role and time.monotonic() - started_at >= _SUSPICIOUS:
            self._silent[role] = self._silence(role)
        return completed

    def _silence(self, role: str) -> str:
        """Why the service of a role does not respond, or an empty text."""
        endpoint = self.endpoints[role]
        if endpoint.service:
            return self.services.silence(endpoint.service) if self.services else ""
        if not endpoint.url.startswith(("http:", "https:")):
            return ""
        try:
            request = self.http_request(role, ANONYMOUS, "")
            (answer,) = self._answers(self.send(json.dumps([request]), beside=None, undo=False))
        except StepFailed:
            return ""
        # Any other answer, or none for another reason, came in time.
        timed_out = answer["status"] == "LOST" and "timed out" in answer["detail"]
        return f"{endpoint.url} does not respond ({answer['detail']})" if timed_out else ""

    def job_runner(self, runner: Runner) -> Runner:
        """The runner of a job: its commands end with the run, and print no credentials of a deployment."""
        stoppable = WrappedRunner(WrappedRunner(runner, self.ending.around), self._watched)
        return WrappedRunner(stoppable, self._redacted)

    def cleanup_runner(self, runner: Runner) -> Runner:
        """The runner that restores what a job has changed, after the end of the run as well."""
        return WrappedRunner(WrappedRunner(runner, self.ending.around_cleanup), self._redacted)

    def _redacted(self, command: Command, deadline: float) -> CompletedCommand:
        return redact_completed(self.mask, command(deadline))

    def ready(self, role: str) -> None:
        """Wait for the service behind a role; a deployment's is not asked. Raises ServiceDown."""
        if reason := self._silent.get(role):
            raise ServiceDown(reason)
        service = self.endpoints[role].service or self.bad_service(role)
        if service and self.services is not None:
            self.services.up(service)

    def bad_service(self, role: str) -> str:  # noqa: ARG002 # where the run has services of its own
        """The run's own service of the bad caches for a deployed role, if the run has one."""
        return ""

    def log(self, service: str) -> list[dict[str, Any]]:
        """The lines that a service of the run logged; empty for a deployed one, whose log is unavailable."""
        return self.services.log(service) if service and self.services is not None else []

    def access_log(self, service: str, *, since: int = 0) -> tuple[AccessLogLine, ...]:
        """The access log of a service from its line number ``since`` on; empty for a deployed one, whose log is unavailable."""
        lines = [line for line in self.log(service) if line.get("part") == "nginx"][since:]
        return tuple(
            AccessLogLine(
                str(line.get("identity")), str(line.get("from")), str(line.get("method")), str(line.get("uri")),
                int(line.get("status", 0)), str(line.get("grpc", "")),
            )
            for line in lines
        )  # fmt: skip

    def access_log_of(
        self, address: str, service: str, *, since: int, expect: frozenset[str] = frozenset()
    ) -> tuple[AccessLogLine, ...]:
        """The lines of one client that has ended, from the line number ``since`` on.

        A server writes a line when a request is over, and the engine copies it later still. So the log is read
        until nothing more comes of this client, and each identity of ``expect`` has a line; LOG_LAG at most.
        """
        patience = time.monotonic() + LOG_LAG
        lines: tuple[AccessLogLine, ...] | None = None
        while service:
            before = lines
            lines = tuple(line for line in self.access_log(service, since=since) if line.source == address)
            if (
                lines == before and expect <= {line.identity for line in lines}
            ) or time.monotonic() > patience:
                break
            time.sleep(SETTLED)
        return lines or ()

    def certificate(self, role: str) -> str:
        """The certificates to trust for a role: those that the environment names, or that of a service of the run;
        empty where the system's are enough. Raises StepFailed."""
        endpoint = self.endpoints[role]
        if endpoint.authority:
            return _read_certificates(endpoint.authority, endpoint.url)
        if not endpoint.url.startswith("https:") or not endpoint.service or self.services is None:
            return ""
        if role in self._certificates:
            return self._certificates[role]
        printed = self.services.execute(endpoint.service, ["cat", f"{CONF}/certificate.pem"], part=0)
        if printed.status != 0:
            raise StepFailed(f"reading the certificate of {endpoint.service}", format_completed(printed))
        return self._certificates.setdefault(role, printed.stdout.decode())

    def client_certificate(self, role: str, name: str) -> str:
        """The file with the certificate that an identity shows; empty if it shows none. Raises StepFailed."""
        endpoint = self.endpoints[role]
        if name == WRITER and endpoint.client_certificate:
            _read_certificates(endpoint.client_certificate, endpoint.url)
            return endpoint.client_certificate
        return ""

    def _unique_name(self, purpose: str) -> str:
        """A name that no other job or client of this bench has."""
        with self._lock:
            self._count += 1
            return f"{self.name}-{purpose}-{self._count}"


def _read_certificates(file: str, url: str) -> str:
    try:
        return Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StepFailed(f"reading the certificates for {url}", str(error)) from None


def encode_body(text: str | bytes) -> str:
    """A body as the outsider takes it."""
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()
