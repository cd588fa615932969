"""Judge promises about the pod of a job, and name the lines of its template."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import assert_never

from builder_contracts.contract.promises import ImagePromise, Promise, ResourcePromise
from builder_contracts.contract.promises.environment import EnvironmentVariable
from builder_contracts.contract.promises.identity import Gid, NotRoot, Uid, User
from builder_contracts.contract.promises.isolation import (
    Capabilities,
    DockerSocket,
    NoNewPrivileges,
    Privileged,
    Seccomp,
)
from builder_contracts.contract.promises.pod import (
    HostNamespaces,
    HostPaths,
    ImagePullPolicy,
    PodPromise,
    PriorityClass,
    QosClass,
)
from builder_contracts.facts.model import Facts, PodFacts, Unseen
from builder_contracts.judge.explanation import Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, Outcome, broken, kept, unproven


def judge(promise: PodPromise, facts: Facts) -> Assessment:
    pod = facts.pod
    if isinstance(pod, Unseen):
        return unproven_because(pod, ".pod")
    match promise:
        case HostPaths():
            likely = "a hostPath volume of the template: jobs can read, and often change, files of the node"
            judged = _used("host paths", pod.host_paths, promise.allow, likely, ".pod.host_paths")
            if pod.claims and judged.outcome is Outcome.KEPT:
                return unproven(
                    f"the cluster provides {', '.join(pod.claims)}, and the pod does not show whether that is a directory of the node",
                    provable_here=False,
                    inspect=".pod.claims",
                )
            return judged
        case HostNamespaces():
            likely = "hostNetwork, hostPID or hostIPC of the template: jobs see the node's own"
            return _used(
                "host namespaces", pod.host_namespaces, promise.allow, likely, ".pod.host_namespaces"
            )
        case QosClass():
            likely = (
                "requests and limits of all containers of the pod decide it: Guaranteed needs both, and equal"
            )
            return _equal("QoS class", pod.qos_class, promise.name, likely, ".pod.qos_class")
        case ImagePullPolicy():
            likely = "imagePullPolicy of the template, or its default by the image's tag: Always for latest, else IfNotPresent"
            return _equal(
                "image pull policy",
                pod.image_pull_policy,
                promise.name,
                likely,
                ".pod.image_pull_policy",
            )
        case PriorityClass():
            likely = "priorityClassName of the template, or the cluster's default class"
            return _equal("priority class", pod.priority_class, promise.name, likely, ".pod.priority_class")
        case _:
            assert_never(promise)


def _used(what: str, used: Sequence[str], allowed: Sequence[str], likely: str, inspect: str) -> Assessment:
    seen = f"{what}: {', '.join(used) or 'none'}"
    extra = [name for name in used if name not in allowed]
    if not extra:
        return kept(seen, inspect=inspect)
    return broken(seen, f"{likely}; not promised: {', '.join(extra)}", inspect=inspect)


def _equal(what: str, seen: str, promised: str, likely: str, inspect: str) -> Assessment:
    observed = f"{what} {seen}" if seen else f"no {what}"
    return kept(observed, inspect=inspect) if seen == promised else broken(observed, likely, inspect=inspect)


def with_template_line(promise: Promise, assessment: Assessment, facts: Facts) -> Assessment:
    """A broken promise with the line of the template that decides it, where the template is a file."""
    if assessment.outcome is not Outcome.BROKEN or not isinstance(facts.pod, PodFacts):
        return assessment
    line = facts.pod.lines.get(_field(promise))
    if line is None:
        return assessment
    return dataclasses.replace(assessment, cause=f"{assessment.cause}; the template decides it at {line}")


def _field(promise: Promise) -> str:
    """The field of a pod's template that decides a promise, or nothing."""
    match promise:
        case HostPaths() | DockerSocket():
            return "volumes"
        case HostNamespaces():
            return "hostNamespaces"
        case QosClass():
            return "resources"
        case ImagePullPolicy():
            return "imagePullPolicy"
        case PriorityClass():
            return "priorityClassName"
        case (
            Privileged() | Capabilities() | NoNewPrivileges() | Seccomp() | User() | Uid() | Gid() | NotRoot()
        ):
            return "securityContext"
        case EnvironmentVariable():
            return "env"
        case _ if isinstance(promise, ResourcePromise):
            return "resources"
        case _ if isinstance(promise, ImagePromise):
            return "image"
        case _:
            return ""


_UNPROVEN = "The runner is not a pod of the run; or the cluster did not respond, or the pod did not start."


def explain(promise: PodPromise) -> Explanation:
    match promise:
        case HostPaths():
            return Explanation(
                how="The hostPath volumes of the pod as the Kubernetes API returns it, after admission; all its containers count.",
                unproven=f"{_UNPROVEN} Skipped where a volume is a claim or a driver's, which may be a directory of the node.",
                why="A job with a directory of the node reads other jobs' files, and with the right one controls the node.",
                breaks="A volume of type hostPath in the pool's template, for a cache or a socket.",
                fix="Use an emptyDir or a claim; or add the path to 'host_paths' if jobs should have it.",
            )
        case HostNamespaces():
            return Explanation(
                how="hostNetwork, hostPID and hostIPC of the pod as the Kubernetes API returns it.",
                unproven=_UNPROVEN,
                why="In the node's network a job passes the pods' policies; with its processes it reads their environment.",
                breaks="hostNetwork: true in the pool's template, for a faster registry or a debugger.",
                fix="Remove hostNetwork, hostPID and hostIPC from the template, or promise them.",
            )
        case QosClass():
            return Explanation(
                how="status.qosClass of the pod as the Kubernetes API returns it.",
                unproven=_UNPROVEN,
                why="A node that runs out of memory evicts BestEffort first and Guaranteed last.",
                breaks="A sidecar without limits, or a request that is lower than its limit.",
                fix="Set requests and limits of every container: equal ones for Guaranteed.",
            )
        case ImagePullPolicy():
            return Explanation(
                how="imagePullPolicy of the job's container as the Kubernetes API returns it, defaults included.",
                unproven=_UNPROVEN,
                why="With IfNotPresent a node keeps an old image under a tag that moves; with Always a registry that is down stops all jobs.",
                breaks="The field is left out, and a change of the tag changes its default.",
                fix="Set imagePullPolicy in the template, or name the image by its digest.",
            )
        case PriorityClass():
            return Explanation(
                how="priorityClassName of the pod as the Kubernetes API returns it, the cluster's default included.",
                unproven=_UNPROVEN,
                why="Pods of a higher class take the place of running jobs on a full node.",
                breaks="The field is left out, or the cluster got another default class.",
                fix="Set priorityClassName in the template as promised.",
            )
        case _:
            assert_never(promise)
