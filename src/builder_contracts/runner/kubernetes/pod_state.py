"""Classify a pod that does not run, in the cluster's own words. Pure.

No job of the class can start (``hopeless``) where every pod made from the template ends so; where only this try
failed, a full node or a registry that did not respond, nothing is known of the class.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder_contracts.runner.docker.job_start import image_fault
from builder_contracts.runner.kubernetes.pod_template import mapping_at


@dataclass(frozen=True)
class PodState:
    """The state of a pod before its first command: it runs, or it never will and why, or neither yet.

    ``exists`` is False where the cluster says that there is no such image. ``reason`` is the cluster's own; while the pod is
    starting, it is what the pod waits for.
    """

    running: bool = False
    failed: bool = False
    hopeless: bool = False
    exists: bool = True
    reason: str = ""


def read_state(pod: Mapping[str, Any], container: str, *, own_node: bool = False) -> PodState:
    """The state of a pod as the API returns it.

    ``container`` is the name of the one that runs the jobs; ``own_node``: the template itself names the node.
    """
    status = mapping_at(pod, "status")
    for kind, entry in _containers(status):
        failure = _failure(kind, entry, is_runner=kind == "container" and entry.get("name") == container)
        if failure is not None:
            return failure
    if status.get("phase") in ("Failed", "Succeeded"):
        reason = _sentence(status.get("reason") or f"phase {status['phase']}", status.get("message"))
        hopeless = status.get("reason") == "NodeAffinity" and own_node
        return PodState(failed=True, hopeless=hopeless, reason=reason)
    for kind, entry in _containers(status):
        if kind == "container" and entry.get("name") == container and "running" in mapping_at(entry, "state"):
            return PodState(running=True)
    return PodState(reason=_waits_for(status))


def read_refusal(message: str) -> PodState:
    """The state of a pod that the API refused, by what kubectl printed."""
    reason = " ".join(message.split())[:800]
    return PodState(failed=True, hopeless=_REFUSES_TEMPLATE.search(reason) is not None, reason=reason)


# What admission says of the template itself: any pod made from it is refused. A quota that is used up, a webhook that may
# dislike the run's own labels, and a user that may not create pods say nothing of the class.
_REFUSES_TEMPLATE = re.compile(
    r"error looking up service account|violates PodSecurity|no PriorityClass with name"
    r"|RuntimeClass \S+ not found|(?:maximum|minimum) \S+ usage per|limit to request ratio"
    r"|The Pod \"[^\"]*\" is invalid|strict decoding error|cannot be handled as a Pod"
)

_NO_IMAGE = re.compile(
    r"not found|manifest unknown|does not exist|no such image|pull access denied|unauthorized|forbidden|denied",
    re.IGNORECASE,
)
_NO_RESPONSE = re.compile(
    r"no such host|timeout|timed out|refused|reset by peer|toomanyrequests|too many requests|TLS handshake"
    r"|i/o|status code 5|50[0-4]|unreachable|EOF",
    re.IGNORECASE,
)


def _failure(kind: str, entry: Mapping[str, Any], *, is_runner: bool) -> PodState | None:
    """The failure of a container, or None. Of those that only wait, ``_waits_for`` tells."""
    state = mapping_at(entry, "state")
    name = f"{kind} {entry.get('name')}"
    waiting = mapping_at(state, "waiting")
    waiting_for, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
    reason = f"{name}: {_sentence(waiting_for, message)}"
    match waiting_for:
        case "ErrImageNeverPull" | "InvalidImageName":
            return PodState(failed=True, exists=not is_runner, hopeless=True, reason=reason)
        case "ErrImagePull":
            if _NO_RESPONSE.search(message):
                return PodState(failed=True, reason=reason)
            if _NO_IMAGE.search(message):
                return PodState(failed=True, exists=not is_runner, hopeless=True, reason=reason)
            return PodState(failed=True, reason=reason)
        case "RegistryUnavailable" | "SignatureValidationFailed":
            return PodState(failed=True, reason=reason)
        case "CreateContainerConfigError":
            return PodState(failed=True, hopeless=True, reason=reason)
        case "CreateContainerError" | "RunContainerError":
            return PodState(failed=True, hopeless=image_fault(message), reason=reason)
        case _:
            pass
    ended = mapping_at(state, "terminated") or (
        mapping_at(mapping_at(entry, "lastState"), "terminated") if waiting_for == "CrashLoopBackOff" else {}
    )
    if not ended:
        return None
    status = ended.get("exitCode")
    if kind == "init container" and status == 0:
        return None
    reason = f"{name}: {_sentence(str(ended.get('reason', '')), str(ended.get('message', '')))}"
    if ended.get("reason") == "StartError":
        fault = image_fault(str(ended.get("message", "")))
        return PodState(failed=True, hopeless=fault, reason=reason)
    # SIGKILL and SIGTERM come from somebody else.
    killed = status in (137, 143)
    if kind == "init container" or is_runner:
        return PodState(failed=True, hopeless=not killed, reason=f"{reason}, exit status {status}")
    return None


def _waits_for(status: Mapping[str, Any]) -> str:
    """What a pod that is starting waits for."""
    for kind, entry in _containers(status):
        state = mapping_at(entry, "state")
        waiting = mapping_at(state, "waiting")
        if waiting and waiting.get("reason") not in ("PodInitializing", "ContainerCreating"):
            return f"{kind} {entry.get('name')}: {_sentence(waiting.get('reason'), waiting.get('message'))}"
        if kind == "init container" and "running" in state and not entry.get("started", False):
            return f"init container {entry.get('name')}: not ready yet"
    for condition in _list(status, "conditions"):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return _sentence(condition.get("reason"), condition.get("message"))
    return _sentence(status.get("phase") or "no phase", status.get("message"))


def _containers(status: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind, key in (("init container", "initContainerStatuses"), ("container", "containerStatuses")):
        for entry in _list(status, key):
            yield kind, entry


def _sentence(reason: Any, message: Any) -> str:
    text = ": ".join(str(part).strip() for part in (reason, message) if part)
    return " ".join(text.split())[:800]


def _list(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = data.get(key)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
