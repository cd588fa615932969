"""Rows of the table for the pod of a job."""

from __future__ import annotations

from builder_contracts.contract.promises.pod import (
    HostNamespaces,
    HostPaths,
    ImagePullPolicy,
    PriorityClass,
    QosClass,
)
from builder_contracts.facts.model import Facts, PodFacts
from tests.unit.judge.observed import LOST, POD, Row, broken, facts, kept, unproven


def pod(**seen: object) -> Facts:
    return facts(runner=POD, pod=PodFacts(**seen))  # type: ignore[arg-type]  # a row gives any of them


POD_ROWS: dict[str, list[Row]] = {
    "pod": [
        kept("no host path", HostPaths(()), pod(), "host paths: none"),
        kept("promised host path", HostPaths(("/cache", "/other")), pod(host_paths=["/cache"]), "host paths: /cache"),
        broken("other host path", HostPaths(("/cache",)), pod(host_paths=["/", "/cache"]), "host paths: /, /cache", "not promised: /"),
        unproven("volume of a claim", HostPaths(()), pod(claims=["work"]), "the cluster provides work", provable_here=False),
        broken("host path and a claim", HostPaths(()), pod(host_paths=["/"], claims=["work"]), "host paths: /", "not promised: /"),
        kept("own namespaces", HostNamespaces(()), pod(), "host namespaces: none"),
        broken("the node's network", HostNamespaces(("ipc",)), pod(host_namespaces=["network", "ipc"]), "network, ipc", "not promised: network"),
        kept("QoS class", QosClass("Burstable"), pod(qos_class="Burstable"), "QoS class Burstable"),
        broken("other QoS class", QosClass("Guaranteed"), pod(qos_class="BestEffort"), "QoS class BestEffort", "requests and limits"),
        broken("QoS class that is not shown", QosClass("Guaranteed"), pod(), "no QoS class", "requests and limits"),
        kept("pull policy", ImagePullPolicy("Always"), pod(image_pull_policy="Always"), "image pull policy Always"),
        broken("other pull policy", ImagePullPolicy("Always"), pod(image_pull_policy="IfNotPresent"), "image pull policy IfNotPresent", "its default"),
        kept("priority class", PriorityClass("ci"), pod(priority_class="ci"), "priority class ci"),
        kept("no priority class", PriorityClass(""), pod(), "no priority class"),
        broken("another priority class", PriorityClass(""), pod(priority_class="ci"), "priority class ci", "default class"),
        broken("priority class is missing", PriorityClass("ci"), pod(), "no priority class", "priorityClassName"),
        unproven("the pod did not start", HostPaths(()), facts(pod=LOST), "did not complete"),
        unproven("not a pod", QosClass("Guaranteed"), facts(), "only a pod of the run shows it", provable_here=False),
    ],
}  # fmt: skip
