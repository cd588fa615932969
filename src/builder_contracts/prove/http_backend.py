"""Requests of OpenTofu's HTTP backend, with the addresses that GitLab has for them, and the removal of a proof's states.

A state is at URL/NAME, its lock at URL/NAME/lock (POST takes it, DELETE releases it), an older one at
URL/NAME/versions/SERIAL. Sources: opentofu.org/docs/language/settings/backends/http, and of GitLab's answers
docs.gitlab.com/user/infrastructure/iac/terraform_state with lib/api/terraform/state.rb in gitlab-org/gitlab.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from builder_contracts.prove.job import StepFailed
from builder_contracts.prove.leftovers import NOTHING_TO_REMOVE, format_leftovers, unchecked_leftovers
from builder_contracts.prove.testbed import Testbed
from builder_contracts.services.principals import WRITER

ROLE = "state"
# GitLab removes a state in the background, and until then rejects every request for it with 422.
_GONE = ("404", "422", "204")


def content(nonce: str, serial: int, mark: str) -> str:
    """A state without resources, in the format of OpenTofu; the nonce makes it new, the mark tells it from others."""
    return json.dumps(
        {
            "version": 4,
            "terraform_version": "1.10.0",
            "serial": serial,
            "lineage": nonce,
            "outputs": {"mark": {"value": mark, "type": "string"}},
            "resources": [],
        }
    )


def request(bench: Testbed, identity: str, method: str, path: str, body: str = "") -> dict[str, Any]:
    """A request of an identity for a path below the address of the states."""
    headers = {"Content-Type": "application/json"}
    return bench.http_request(ROLE, identity, path, method=method, body=body or None, headers=headers)


def write(bench: Testbed, identity: str, name: str, text: str, lock: str = "") -> dict[str, Any]:
    """Write a state; ``lock`` is the ID that the writer claims to hold."""
    return request(bench, identity, "POST", f"{name}?ID={quote(lock)}" if lock else name, text)


def lock(bench: Testbed, identity: str, name: str, holder: str, method: str = "POST") -> dict[str, Any]:
    """Take the lock of a state, or release it with the method DELETE."""
    info = {
        "ID": holder,
        "Operation": "OperationTypeApply",
        "Info": "",
        "Who": "builder-contracts",
        "Version": "1.10.0",
        "Created": "2026-01-01T00:00:00Z",
        "Path": "",
    }
    return request(bench, identity, method, f"{name}/lock", json.dumps(info))


def remove_states(bench: Testbed, names: Sequence[str]) -> str:
    """Release the locks of these states and delete them; what became of them."""
    try:
        # GitLab releases a lock for whoever names no ID, as it does for force-unlock.
        bench.undo([request(bench, WRITER, "DELETE", f"{name}/lock") for name in names])
        deleted = bench.undo([request(bench, WRITER, "DELETE", name) for name in names])
        if all(reply["status"] == "404" for reply in deleted):
            return NOTHING_TO_REMOVE
        replies = bench.undo([request(bench, WRITER, "GET", name) for name in names])
    except StepFailed as failed:
        return unchecked_leftovers(bench, ROLE, failed.lost)
    statuses = {name: reply["status"] for name, reply in zip(names, replies, strict=True)}
    return format_leftovers(
        bench,
        ROLE,
        {name: "404" if status in _GONE else status for name, status in statuses.items()},
    )
