"""Nix caches that clients must reject, one per defect, which the run makes next to the good cache."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import urlsplit

from builder_contracts.prove.job import ProofJob, StepFailed, format_completed
from builder_contracts.prove.testbed import Testbed, encode_body
from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.services.principals import Principal

BAD = ("unsigned", "wrong-key", "stripped-references", "swapped-nar")
DEADLINE = 60


def makeable(bench: Testbed) -> tuple[str, ...]:
    """Return the bad caches that can be made: a server that signs paths itself leaves two."""
    return BAD if not bench.endpoints["nix"].public_key else BAD[:2]


def make(bench: Testbed, job: ProofJob, path: str, neighbour: str, *, key: str, other_key: str) -> None:
    """Put a path with its closure into one bad cache each, with the seeder's keys in these files. Raises Failed.

    ``neighbour`` is another path of the closure, whose content will be in the wrong place.
    """
    root = bench.bad_caches
    secret = {"unsigned": "", "wrong-key": f"?secret-key={other_key}"}
    for name in makeable(bench):
        query = secret.get(name, f"?secret-key={key}")
        copied = copy(job, f"{root}/{name}{query}", path, bench.credentials.writer, deadline=DEADLINE)
        if copied.status != 0:
            raise StepFailed(f"preparing cache {name}", format_completed(copied))
    if "swapped-nar" not in makeable(bench):
        return
    if not neighbour:
        raise StepFailed("preparing a bad cache", "the canary has no dependency, but this proof needs one")
    swapped = f"{root}/swapped-nar"
    narinfo, other_narinfo = (
        _get(bench, job, f"{swapped}/{hash_part(store_path)}.narinfo").decode()
        for store_path in (path, neighbour)
    )
    stripped = "".join(
        "References: \n" if line.startswith("References:") else line + "\n" for line in narinfo.splitlines()
    )
    _put(bench, job, f"{root}/stripped-references/{hash_part(path)}.narinfo", stripped.encode())
    content = _get(bench, job, f"{swapped}/{fields(other_narinfo)['URL']}")
    _put(bench, job, f"{swapped}/{fields(narinfo)['URL']}", content)


def copy(job: ProofJob, target: str, path: str, identity: Principal, *, deadline: float) -> CompletedCommand:
    """Copy a path with its closure into a cache as an identity, whose secret only the job can read."""
    file = netrc(job, target, identity)
    return job.run(["nix", "copy", "--to", target, "--option", "netrc-file", file, path], deadline=deadline)


def netrc(job: ProofJob, url: str, identity: Principal) -> str:
    """Write the file by which Nix shows a cache who it is; without a secret it is empty. Raises StepFailed."""
    file, host = f"{job.folder}.keys/netrc", urlsplit(url).hostname
    login = f"machine {host} login {identity.name} password {identity.secret}\n"
    job.write(file, login.encode() if host and identity.secret else b"")
    return file


def hash_part(path: str) -> str:
    """The part of a store path that a cache knows it by."""
    return path.rsplit("/", 1)[1].partition("-")[0]


def fields(narinfo: str) -> Mapping[str, str]:
    """The fields of a path's description."""
    return dict(line.split(": ", 1) for line in narinfo.splitlines() if ": " in line)


def _get(bench: Testbed, job: ProofJob, url: str) -> bytes:
    if url.startswith("file://"):
        return job.must("reading the published path", ["cat", url.removeprefix("file://")]).stdout
    reply = bench.ask([{"kind": "http", "url": url, "headers": _writer(bench)}])[0]
    if reply["status"] != "200":
        raise StepFailed("reading the published path", f"{reply['status']} {reply['detail']}")
    return base64.b64decode(reply["body"])


def _put(bench: Testbed, job: ProofJob, url: str, content: bytes) -> None:
    if url.startswith("file://"):
        job.write(url.removeprefix("file://"), content)
        return
    request = {"kind": "http", "method": "PUT", "url": url, "headers": _writer(bench)}
    put = bench.ask([{**request, "body": encode_body(content)}])[0]
    if not put["status"].startswith("2"):
        raise StepFailed("preparing a bad cache", f"{put['status']} {put['detail']}")


def _writer(bench: Testbed) -> dict[str, str]:
    """The bad caches are in a service of the run, whatever the good one is."""
    return {"Authorization": bench.credentials.writer.authorization}
