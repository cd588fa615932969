"""The outside witness of a pod: a container of another image, which joins the PID namespace of the runner's."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builder_contracts.runner.docker.job_start import IDLE
from builder_contracts.runner.kubernetes.kubectl import Kubectl, NoAnswer, failure
from builder_contracts.runner.kubernetes.pod_state import read_state
from builder_contracts.runner.kubernetes.pod_template import mapping_at
from builder_contracts.runner.protocol import CompletedCommand

NAME = "builder-contracts-witness"
_POLL = 0.5


@dataclass(frozen=True)
class PodWitness:
    """The witness of the container ``runner`` in a pod; ``image`` has a shell and Python, and belongs to the user of the run."""

    kubectl: Kubectl
    pod: str
    runner: str
    image: str

    def look(self, program: str, arguments: Sequence[str], deadline: float) -> CompletedCommand:
        """Run a Python program about the runner's first process."""
        until = time.monotonic() + deadline
        try:
            lost = self._start(until)
        except NoAnswer as error:
            lost = str(error)
        if lost:
            return CompletedCommand(None, b"", b"", f"the witness did not start: {lost}")
        line = ["/bin/sh", "-c", 'exec python3 -I -S -c "$@"', NAME, program, "/proc/1", *arguments]
        return self.kubectl.execute(self.pod, NAME, line, deadline=max(0.1, until - time.monotonic()))

    def _start(self, until: float) -> str:
        """See that the container runs; why it does not, or nothing. Raises NoAnswer."""
        pod = self.kubectl.json(["get", "pod", self.pod])
        if not pod["spec"].get("ephemeralContainers"):
            if pod["spec"].get("shareProcessNamespace") or pod["spec"].get("hostPID"):
                return "the pod shares its processes, so nobody can tell which is the job's"
            path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{self.pod}/ephemeralcontainers"
            completed = self.kubectl.run(
                ["replace", "--raw", path, "--filename=-"],
                stdin=json.dumps(joined(pod, self.runner, self.image)).encode(),
            )
            if completed.status != 0:
                return failure(completed)
        while True:
            state = read_state(_as_its_own(pod), NAME)
            if state.running or state.failed:
                return "" if state.running else state.reason
            if time.monotonic() >= until:
                return f"it did not start in time: {state.reason}"
            time.sleep(_POLL)
            pod = self.kubectl.json(["get", "pod", self.pod])


def joined(pod: Mapping[str, Any], runner: str, image: str) -> dict[str, Any]:
    """The pod with a witness, which has the runner's user and no privilege: more it does not need. Pure."""
    container = next(item for item in pod["spec"]["containers"] if item["name"] == runner)
    given = mapping_at(container, "securityContext")
    user = {name: given[name] for name in ("runAsUser", "runAsGroup", "runAsNonRoot") if name in given}
    for status in mapping_at(pod, "status").get("containerStatuses") or []:
        linux = mapping_at(mapping_at(status, "user"), "linux")
        if status.get("name") == runner and "uid" in linux:
            user |= {"runAsUser": linux["uid"], "runAsGroup": linux.get("gid", linux["uid"])}
    witness: dict[str, Any] = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "targetContainerName": runner,
        "command": list(IDLE),
        "stdin": True,
        "securityContext": {**user, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    # Its status may have changed since it was read, which is no conflict.
    metadata = {key: value for key, value in dict(pod["metadata"]).items() if key != "resourceVersion"}
    return {**pod, "metadata": metadata, "spec": {**pod["spec"], "ephemeralContainers": [witness]}}


def _as_its_own(pod: Mapping[str, Any]) -> dict[str, Any]:
    """A pod in which the ephemeral containers are all that there is."""
    return {
        "status": {"containerStatuses": mapping_at(pod, "status").get("ephemeralContainerStatuses") or []}
    }
