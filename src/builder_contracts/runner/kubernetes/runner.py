"""A runner in a pod of a cluster, made from the template of its class."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.job import DEFAULT_START, JobStart, StartWay
from builder_contracts.contract.quantities import byte_count
from builder_contracts.facts.model import PodFacts, RunnerFacts, Seen, StartFacts, Unseen
from builder_contracts.runner import capacity
from builder_contracts.runner.capacity import Capacity
from builder_contracts.runner.docker.cleanup import OWNER, RUN, Owner, RunLabels
from builder_contracts.runner.kubernetes import pod_template
from builder_contracts.runner.kubernetes.kubectl import Kubectl, NoAnswer, failure
from builder_contracts.runner.kubernetes.pod_state import PodState, read_refusal, read_state
from builder_contracts.runner.kubernetes.pod_template import PodTemplate, mapping_at
from builder_contracts.runner.kubernetes.witness import PodWitness
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.runner.protocol import NO_DAEMON_STARTED, CompletedCommand, OutsideView

STARTS_WITHIN = 300.0
"""Seconds for a pod to be scheduled, to pull its images and to start."""

# Seconds after which the cluster itself ends a pod that nobody ended.
_LIVES = 1800
_POLL = 0.5

NO_IMAGE = Unseen(
    "the Kubernetes API shows the image's digest only, not its labels, settings or size; use --runner docker",
    provable_here=False,
)
_WAY = "in a pod, ENTRYPOINT replaced by the run's own command"


class KubernetesRunner:
    """One pod of a class, from ``with`` to its removal. A failed start does not raise: ``setting`` holds it."""

    def __init__(
        self,
        kubectl: Kubectl,
        run: RunLabels,
        contract: Contract,
        template: PodTemplate,
        *,
        image: str = "",
        witness_image: str = "",
    ) -> None:
        self._kubectl, self._run = kubectl, run
        self._contract, self._template = contract, template
        self._image, self._witness_image = image, witness_image
        self._name = run.name(contract.name)
        self._created = False
        self.setting = OutsideView(Unseen("not started"), NO_IMAGE, Unseen("not started"))

    def __enter__(self) -> Self:
        try:
            self.setting = self._launch()
        except NoAnswer as error:
            lost = Unseen(f"the cluster did not respond: {error}")
            self.setting = OutsideView(lost, NO_IMAGE, lost, pod=lost)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._created:
            delete(self._kubectl, [self._name])

    def execute(
        self, arguments: Sequence[str], *, deadline: float, last_line: bytes = b""
    ) -> CompletedCommand:
        if not self._created:
            return CompletedCommand(None, b"", b"", "the pod was not created")
        return self._kubectl.execute(
            self._name, self._template.container, arguments, deadline=deadline, last_line=last_line
        )

    def _launch(self) -> OutsideView:
        start = next(iter(self._contract.promised(JobStart)), DEFAULT_START)
        if start.way is not StartWay.REPLACED:
            unseen = Unseen(
                f"jobs of this class start by ENTRYPOINT (job.start: {start.way.value}), and in a pod of the run they do not; "
                "use --runner docker",
                provable_here=False,
            )
            return OutsideView(unseen, NO_IMAGE, unseen)
        manifest = pod_template.pod(
            self._template,
            name=self._name,
            labels={RUN: self._run.id},
            annotations={OWNER: self._run.owner.label},
            seconds=_LIVES,
            image=self._image,
        )
        # From here on there may be a pod, whatever interrupts kubectl.
        self._created = True
        completed = self._kubectl.run(
            ["create", "--filename=-", "--output=json"], stdin=json.dumps(manifest).encode()
        )
        if completed.status != 0:
            self._created = bool(completed.ended)
            return self._not_started(read_refusal(failure(completed)), {})
        pod, state = self._wait()
        return self._running(pod) if state.running else self._not_started(state, pod)

    def _wait(self) -> tuple[dict[str, Any], PodState]:
        """The pod as the API returns it, when it runs, failed, or did neither in time. Raises NoAnswer."""
        until = time.monotonic() + STARTS_WITHIN
        own_node = bool(self._template.spec.get("nodeName"))
        while True:
            pod = self._kubectl.json(["get", "pod", self._name])
            state = read_state(pod, self._template.container, own_node=own_node)
            if state.running or state.failed:
                return pod, state
            if time.monotonic() >= until:
                reason = (
                    f"the pod did not start within {STARTS_WITHIN:g} s: {self._warning() or state.reason}"
                )
                return pod, PodState(failed=True, reason=reason)
            time.sleep(_POLL)

    def _warning(self) -> str:
        """The cluster's latest warning about the pod, where the user may read events; or nothing."""
        selector = f"involvedObject.name={self._name},type=Warning"
        try:
            events = self._kubectl.json(["get", "events", f"--field-selector={selector}"])["items"]
            latest = max(events, key=lambda event: event.get("lastTimestamp") or "")
            return " ".join(f"{latest['reason']}: {latest['message']}".split())
        except (NoAnswer, KeyError, TypeError, ValueError, AttributeError):
            return ""

    def _not_started(self, state: PodState, pod: Mapping[str, Any]) -> OutsideView:
        start = StartFacts(
            exists=state.exists,
            started=False,
            output=state.reason,
            way=_WAY,
            hopeless=state.hopeless,
            image=self._image_name(),
        )
        lost = Unseen(f"the pod did not start: {state.reason}")
        return OutsideView(self._about(pod, ""), NO_IMAGE, start, pod=lost)

    def _running(self, pod: Mapping[str, Any]) -> OutsideView:
        container = self._template.container
        asked = self.execute(["/bin/sh", "-c", capacity.QUESTION], deadline=60)
        about = self._about(pod, asked.stdout.decode("utf-8", errors="replace"))
        start = StartFacts(
            exists=True,
            started=True,
            way=_WAY,
            image=self._image_name(pod),
            digest=_digest(pod, container),
        )
        witness = PodWitness(self._kubectl, self._name, container, self._witness_image)
        return OutsideView(
            about,
            NO_IMAGE,
            start,
            look=witness.look if self._witness_image else None,
            privileged=_security(pod, container).get("privileged") is True,
            pod=_pod_facts(pod, self._template),
            daemon_ready_after=NO_DAEMON_STARTED,
        )

    def _image_name(self, pod: Mapping[str, Any] | None = None) -> str:
        admitted = _named(pod or {}, "spec", "containers", self._template.container).get("image")
        return str(admitted or self._image or self._template.image)

    def _about(self, pod: Mapping[str, Any], node_text: str) -> RunnerFacts:
        """The cluster and the node, as far as the pod and a look at its node's kernel tell."""
        seen = Capacity.read(node_text)
        namespace = pod.get("metadata", {}).get("namespace", self._kubectl.namespace)
        node = pod.get("spec", {}).get("nodeName", "")
        kernel = f", {seen.kernel}" if seen.kernel else ""
        live = self._is_deployed()
        source = f"pod {namespace}/{self._name} from {' '.join(self._template.options)}"
        labels = " or ".join(self._contract.labels)
        if self._template.labels:
            source += f", which runs jobs for {', '.join(self._template.labels)}"
            source += (
                "" if live else f"; the class is {labels}" if not self._image else "; with another image"
            )
        return RunnerFacts(
            kind="kubernetes",
            engine=_server(self._kubectl),
            host=f"node {node}{kernel}" if node else "",
            cpus=seen.cpus,
            memory=seen.memory,
            identity=source,
            live=live,
            options=[*self._template.options, *self._cluster_options()],
        )

    def _cluster_options(self) -> list[str]:
        """The words of the command line that chose the cluster, the namespace and the witness."""
        witness = ["--witness-image", self._witness_image] if self._witness_image else []
        context = ["--kube-context", self._kubectl.context] if self._kubectl.context else []
        in_source = "--scale-set" in self._template.options or not self._kubectl.namespace
        return witness + context + ([] if in_source else ["--namespace", self._kubectl.namespace])

    def _is_deployed(self) -> bool:
        """Whether the pod is the deployed scale set's own, and that scale set is of the class."""
        deployed = bool(self._template.labels) and "--scale-set" in self._template.options
        return deployed and not self._image and not {*self._contract.labels}.isdisjoint(self._template.labels)


def sweep(kubectl: Kubectl) -> list[str]:
    """Remove the pods that dead runs left in the namespace, and those that the cluster ended; their names."""
    with contextlib.suppress(NoAnswer):
        pods = list(_pods(kubectl, RUN))
        abandoned = [pod["metadata"]["name"] for pod in pods if _is_abandoned(pod)]
        delete(kubectl, abandoned)
        return abandoned
    return []


def close(kubectl: Kubectl, run: RunLabels) -> Leftovers:
    """Remove every pod of this run; what remains."""
    label = f"{RUN}={run.id}"
    completed = kubectl.run(["delete", "pods", f"--selector={label}", "--wait=false"])
    if completed.status == 0:
        return Leftovers()
    reason = failure(completed)
    return Leftovers(
        unchecked=(
            f"pods with the label {label}, because they cannot be listed or deleted ({reason}); the next run or the cluster itself removes them",
        )
    )


def delete(kubectl: Kubectl, names: Sequence[str]) -> None:
    """Ask the cluster to delete pods; their containers end a moment later."""
    if names:
        kubectl.run(["delete", "pod", *names, "--wait=false", "--ignore-not-found"])


def _pods(kubectl: Kubectl, label: str) -> Iterator[dict[str, Any]]:
    for item in kubectl.json(["get", "pods", f"--selector={label}"]).get("items", []):
        if isinstance(item, dict) and isinstance(item.get("metadata"), dict):
            yield item


def _is_abandoned(pod: Mapping[str, Any]) -> bool:
    if "deletionTimestamp" in pod["metadata"]:
        # It is on its way out.
        return False
    if pod.get("status", {}).get("reason") == "DeadlineExceeded":
        return True
    owner = Owner.from_label(pod["metadata"].get("annotations", {}).get(OWNER, ""))
    return owner is not None and owner.is_dead()


def _named(pod: Mapping[str, Any], part: str, key: str, name: str) -> Mapping[str, Any]:
    """The entry of a container in a list of the pod's spec or status."""
    entries = pod.get(part, {}).get(key) or []
    return next((entry for entry in entries if entry.get("name") == name), {})


def _security(pod: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    return _named(pod, "spec", "containers", container).get("securityContext") or {}


# What a provisioner or a driver puts there may be a directory of the node.
_PROVIDED = {"persistentVolumeClaim", "ephemeral", "csi", "flexVolume"}


def _pod_facts(pod: Mapping[str, Any], template: PodTemplate) -> PodFacts:
    spec, runner = pod.get("spec", {}), _named(pod, "spec", "containers", template.container)
    volumes = spec.get("volumes") or []
    return PodFacts(
        host_paths=sorted(
            str(volume["hostPath"].get("path", "")) for volume in volumes if volume.get("hostPath")
        ),
        claims=sorted(str(volume.get("name")) for volume in volumes if not _PROVIDED.isdisjoint(volume)),
        host_namespaces=[
            name for name, field in pod_template.HOST_NAMESPACES.items() if spec.get(field) is True
        ],
        qos_class=str(pod.get("status", {}).get("qosClass", "")),
        image_pull_policy=str(runner.get("imagePullPolicy", "")),
        priority_class=str(spec.get("priorityClassName", "")),
        memory_request=_memory_request(runner),
        lines=dict(template.lines),
    )


def _memory_request(container: Mapping[str, Any]) -> Seen[int | None]:
    text = mapping_at(mapping_at(container, "resources"), "requests").get("memory")
    try:
        return None if text is None else byte_count(str(text))
    except ValueError as error:
        return Unseen(f"the memory request of the pod: {error}")


def _digest(pod: Mapping[str, Any], container: str) -> str:
    """The image's digest in ``status.imageID``, which is REPOSITORY@DIGEST or the digest alone."""
    return str(_named(pod, "status", "containerStatuses", container).get("imageID", "")).rpartition("@")[2]


def _server(kubectl: Kubectl) -> str:
    try:
        version = kubectl.json(["version"])["serverVersion"]["gitVersion"]
    except (NoAnswer, KeyError, TypeError):
        return "Kubernetes"
    return f"Kubernetes {version}"
