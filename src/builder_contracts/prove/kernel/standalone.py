"""A testbed for the kernel canary alone: for tests, benchmarks, and runs without the other proofs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from builder_contracts.contract.model import Contract
from builder_contracts.prove.container_testbed import ContainerTestbed
from builder_contracts.runner.docker import cleanup, engine
from builder_contracts.runner.docker.cleanup import RunLabels
from builder_contracts.runner.docker.launch_plan import plan
from builder_contracts.runner.docker.runner import describe_engine
from builder_contracts.services.principals import Credentials
from builder_contracts.services.stack import ServiceStack


@contextlib.contextmanager
def bench(contract: Contract, *, image: str = "") -> Iterator[ContainerTestbed]:
    """A bench of that class with nothing around it; all that was made on it is removed. Raises EngineError."""
    client = engine.connect()
    run = RunLabels()
    try:
        about = describe_engine(client)
        cleanup.sweep(client)
        host = ServiceStack(client, run)
        try:
            yield ContainerTestbed(
                engine_client=client,
                run=run,
                host=host,
                credentials=Credentials.random(),
                endpoints={},
                name=contract.name,
                image=image or contract.image,
                plan=plan(contract, host_cpus=about.cpus, host_memory=about.memory),
                home=str(contract.document["identity"]["home"]),
                about=about,
            )
        finally:
            host.close()
            cleanup.close(client, run)
    finally:
        client.close()
