"""The testbed of containers: fresh runners of a class, the run's own services, and clients next to them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

import docker

from builder_contracts.facts.model import Unseen
from builder_contracts.prove.job import ProofJob, StepFailed
from builder_contracts.prove.testbed import Testbed
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels
from builder_contracts.runner.docker.launch_plan import LaunchPlan
from builder_contracts.runner.docker.runner import DockerRunner
from builder_contracts.runner.file_archive import pack
from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.runner.shutdown import ENDED
from builder_contracts.services.stack import ServiceStack

# The services' image has the libraries that the outsider needs.
_PYTHON = "/opt/services/bin/python"
_BAD_SERVICE = "nix-cache"
# The host of the bad caches if the good cache is deployed: a deployment never gets anything bad.
BAD_HOST = "bad-caches.builder-contracts.internal"


@dataclass(kw_only=True)
class ContainerTestbed(Testbed):
    """One class as containers of its image, on a network of the run."""

    engine_client: docker.DockerClient
    run: RunLabels
    host: ServiceStack
    image: str
    home: str
    plan: LaunchPlan
    _outsider: str = ""

    @property
    def services(self) -> ServiceStack:
        return self.host

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.home,)

    @contextlib.contextmanager
    def fresh(self, purpose: str) -> Iterator[ProofJob]:
        with self.runner(purpose) as runner:
            yield ProofJob(
                self.job_runner(runner),
                f"{self.home}/proof",
                {"CI_PROOF_SECRET": self.token},
                self.address(runner.container),
                runner.container,
                runner.daemon_container,
            )

    @contextlib.contextmanager
    def runner(self, purpose: str) -> Iterator[DockerRunner]:
        """A runner of the class that has never run anything. Raises Failed when there can be none."""
        if self.ending.come:
            raise StepFailed("starting a fresh runner", ENDED)
        runner = DockerRunner(
            self.engine_client,
            self.run,
            name=self._unique_name(purpose),
            image=self.image,
            # Without the CPU request: it is a weight, and a small one starves a build on a busy host. That
            # the class has it is a clause of its own.
            plan=dataclasses.replace(self.plan, network="internal", cpu_request=None, try_entrypoint=False),
            network=self.host,  # type: ignore[arg-type] # a network of the run: all that a runner asks of it
            about_engine=self.about,
        )
        with runner:
            start = runner.setting.start
            if isinstance(start, Unseen):
                raise StepFailed("starting a fresh runner", start.reason, provable_here=start.provable_here)
            if not start.started:
                raise StepFailed("starting a fresh runner", start.output)
            if self.ending.come:
                # While it was being started, when there was nothing to take along yet.
                raise StepFailed("starting a fresh runner", ENDED)
            yield runner

    def address(self, container: str) -> str:
        """The address of a container on the run's network. Raises Failed."""
        api: Any = self.engine_client.api
        try:
            networks = api.inspect_container(container)["NetworkSettings"]["Networks"]
        except engine.LOST as error:
            raise StepFailed("looking up the runner's address", engine.reason(error)) from None
        return str(next(iter(networks.values()))["IPAddress"])

    def send(self, requests: str, *, beside: ProofJob | None, undo: bool) -> CompletedCommand:
        program = resources.files(__package__).joinpath("protocol_client.py").read_text("utf-8")

        def send() -> CompletedCommand:
            try:
                container = self._beside(beside.container) if beside else self._outside()
            except engine.LOST as error:
                return CompletedCommand(None, b"", b"", engine.reason(error))
            return engine.execute(
                self.engine_client, container, [_PYTHON, "-c", program, requests], deadline=60
            )

        return self.ending.run_cleanup(send) if undo else self.ending.run(send)

    @property
    def bad_caches(self) -> str:
        endpoint = self.endpoints["nix"]
        return endpoint.url.rsplit("/", 1)[0] if endpoint.service else f"http://{BAD_HOST}"

    def bad_service(self, role: str) -> str:
        return _BAD_SERVICE if role == "nix" else ""

    def trust(self, job: ProofJob, registry: str) -> None:
        """Give the class's daemon the certificate of the run's registry, as an operator would. Raises Failed."""
        files = {f"docker/certs.d/{registry}/ca.crt": self.certificate("registry").encode()}
        if not job.daemon:
            raise StepFailed(
                "installing the registry's certificate for the daemon", "the runner has no daemon sidecar"
            )
        api: Any = self.engine_client.api
        try:
            api.put_archive(job.daemon, "/etc", pack(files))
        except engine.LOST as error:
            raise StepFailed(
                "installing the registry's certificate for the daemon", engine.reason(error)
            ) from None

    def _outside(self) -> str:
        if self.ending.come:
            # The end of the run killed the first client, so start a new one.
            return self.host.container(self._unique_name("client"), ["sleep", "infinity"])
        with self._lock:
            if not self._outsider:
                self._outsider = self.host.container(f"outsider-{self.name}", ["sleep", "infinity"])
            return self._outsider

    def _beside(self, container: str) -> str:
        return self.host.container(
            self._unique_name("client"), ["sleep", "infinity"], network_mode=f"container:{container}"
        )
