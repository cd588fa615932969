"""Remove what a run wrote into a deployment, and report what remains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from builder_contracts.prove.job import StepFailed
from builder_contracts.prove.testbed import Testbed
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.leftovers import Leftovers

Request = Mapping[str, Any]
# Of HTTP, and of S3.
_PRESENT = ("200", "OK")
NOTHING_TO_REMOVE = "nothing was published, so there is nothing to remove"


def remove(
    bench: Testbed,
    role: str,
    requests: Sequence[Request],
    deletion_url: Callable[[str, Mapping[str, Any]], str],
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
        return unchecked_leftovers(bench, role, failed.lost)
    return format_leftovers(
        bench,
        role,
        {request["url"]: reply["status"] for (request, _), reply in zip(present, after, strict=True)},
    )


def format_leftovers(
    bench: Testbed, role: str, replies: Mapping[str, str], unchecked: Sequence[str] = ()
) -> str:
    """Format what became of the data that was written to a deployment. The run ends by naming what may still be there.

    ``replies`` are the statuses of a request for each name after it was deleted, ``unchecked`` further names.
    """
    url = bench.endpoints[role].url
    remaining = {name: status for name, status in replies.items() if status != "404"}
    refused = [_at(name, url) for name, status in remaining.items() if status in _PRESENT]
    unknown = [_at(name, url) for name, status in remaining.items() if status not in _PRESENT]
    bench.left_behind.append(Leftovers(tuple(refused), (*unknown, *(_at(name, url) for name in unchecked))))
    names = [*remaining, *unchecked]
    return f"not cleaned up: {', '.join(names)}" if names else "written data removed"


def _at(name: str, url: str) -> str:
    return name if name.startswith(url) else f"{name} at {url}"


def unchecked_leftovers(bench: Testbed, role: str, lost: Unavailable) -> str:
    """Format leftovers that could not be checked. The run ends by naming them."""
    return format_leftovers(
        bench, role, {}, (f"anything written, which could not be checked ({lost.reason})",)
    )
