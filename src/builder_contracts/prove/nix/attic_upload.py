"""Upload a closure from a job's store to an Attic server."""

from __future__ import annotations

from collections.abc import Sequence

from builder_contracts.prove.attic.experiment import AtticSession
from builder_contracts.prove.attic.protocol import StorePath, format_reply, missing_hashes
from builder_contracts.prove.job import ProofJob, StepFailed
from builder_contracts.prove.testbed import Testbed
from builder_contracts.services.principals import WRITER


def upload_closure(bench: Testbed, job: ProofJob, session: AtticSession, closure: Sequence[str]) -> None:
    """Upload as the writer what the cache lacks of a closure, as Attic's own client does. Raises StepFailed."""
    cache, headers = session.cache, bench.headers("nix", WRITER)
    paths = [_read(job, path) for path in closure]
    reply = bench.ask([cache.missing(headers, [path.hash for path in paths])], beside=job)[0]
    missing = missing_hashes(reply)
    if missing is None:
        raise StepFailed(f"asking {cache.url} which paths it lacks", format_reply(reply))
    for path in paths:
        if path.hash not in missing:
            continue
        uploaded = bench.ask([cache.upload(headers, path)], beside=job)[0]
        if uploaded["status"] != "200":
            raise StepFailed(f"uploading {path.path} to {cache.url}", format_reply(uploaded))
        if not session.separate:
            session.written.append(path.path)


def _read(job: ProofJob, path: str) -> StorePath:
    """A path of the job's store. Raises StepFailed."""
    nar = job.must("reading the path", ["nix-store", "--dump", path]).stdout
    references = job.must("querying references", ["nix-store", "--query", "--references", path]).stdout
    deriver = job.must("querying the deriver", ["nix-store", "--query", "--deriver", path]).stdout
    names = tuple(line.rpartition("/")[2] for line in references.decode().split())
    # Nix prints unknown-deriver where it knows none.
    name = deriver.decode().strip().rpartition("/")[2]
    return StorePath(path, nar, names, name if name.endswith(".drv") else None)
