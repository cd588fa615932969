"""Tags in a registry: the media types of manifests, and the removal of a run's own tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builder_contracts.prove.leftovers import remove
from builder_contracts.prove.testbed import Testbed
from builder_contracts.services.principals import WRITER

TAG = "proof"
"""The tag of everything that a proof pushes, in its own repository."""
MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


def manifest(bench: Testbed, identity: str, repository: str) -> dict[str, Any]:
    """A request of an identity whether the tag of a repository is there."""
    path, accept = f"v2/{repository}/manifests/{TAG}", {"Accept": MANIFESTS}
    return bench.http_request("registry", identity, path, method="HEAD", headers=accept)


def remove_tags(bench: Testbed, repositories: Sequence[str]) -> str:
    """Remove the tag of these repositories from a deployed registry; return what became of them."""
    requests = [manifest(bench, WRITER, repository) for repository in repositories]
    # A registry deletes a manifest by its digest only.
    return remove(
        bench,
        "registry",
        requests,
        lambda tag_url, reply: tag_url.removesuffix(TAG) + (reply.get("digest") or TAG),
    )
