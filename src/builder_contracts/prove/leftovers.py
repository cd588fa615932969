"""Remove what a run wrote into a deployment, and report what remains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from builder_contracts.prove.job import StepFailed
from builder_contracts.prove.testbed import Testbed
from builder_contracts.prove.unavailable import Unavailable

Request = Mapping[str, Any]
NOTHING_TO_REMOVE = "nothing was published, so there is nothing to remove"


def remove(
    bench: Testbed, requests: Sequence[Request], deletion_url: Callable[[str, Mapping[str, Any]], str]
) -> str:
    """Delete what these requests are for, as far as it is there; what became of it.

    ``deletion_url`` gives the URL to delete, from that of the request and the reply to a HEAD of it.
    """
    try:
        replies = bench.undo([{**request, "method": "HEAD"} for request in requests])
        present = [
            (request, reply)
            for request, reply in zip(requests, replies, strict=True)
            if reply["status"] != "404"
        ]
        if not present:
            return NOTHING_TO_REMOVE
        bench.undo(
            [
                {**request, "method": "DELETE", "url": deletion_url(request["url"], reply)}
                for request, reply in present
            ]
        )
        after = bench.undo([{**request, "method": "HEAD"} for request, _ in present])
    except StepFailed as failed:
        return format_leftovers((unchecked_leftovers(failed.lost),))
    return format_leftovers(
        [
            request["url"]
            for (request, _), reply in zip(present, after, strict=True)
            if reply["status"] != "404"
        ]
    )


def format_leftovers(leftovers: Sequence[str]) -> str:
    """Format what became of the data that was written to a deployment."""
    return f"not cleaned up: {', '.join(leftovers)}" if leftovers else "written data removed"


def unchecked_leftovers(lost: Unavailable) -> str:
    """Describe leftovers that could not be checked."""
    return f"anything written, which could not be checked ({lost.reason})"
