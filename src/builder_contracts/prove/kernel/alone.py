"""A bench for the kernel canary by itself: for tests, benchmarks, and a look without the other proofs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from builder_contracts.contract.model import Contract
from builder_contracts.prove.containers import ContainerBench
from builder_contracts.runner import engine, ownership
from builder_contracts.runner.docker import describe_engine
from builder_contracts.runner.launch import plan
from builder_contracts.runner.ownership import Run
from builder_contracts.services.host import Host
from builder_contracts.services.identities import Credentials


@contextlib.contextmanager
def bench(contract: Contract, *, image: str = "") -> Iterator[ContainerBench]:
    """A bench of that class with nothing around it; all that was made on it is removed. Raises EngineError."""
    client = engine.connect()
    run = Run()
    try:
        about = describe_engine(client)
        ownership.sweep(client)
        host = Host(client, run)
        try:
            yield ContainerBench(
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
            ownership.close(client, run)
    finally:
        client.close()
