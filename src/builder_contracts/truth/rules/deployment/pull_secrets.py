"""Compares pods that pull images of one owner of a registry: all have a pull secret, or none needs one."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.model import Workload, split_reference
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Value, get, text


@rule("deployment/pull-secrets", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    pulling: dict[str, list[tuple[Workload, Value]]] = {}
    for workload in context.model.workloads:
        for container in workload.pod.containers:
            image = get(container, "image")
            name = split_reference(text(image) or "")[0]
            registry, _, path = name.partition("/")
            if image is not None and "." in registry and "/" in path:
                pulling.setdefault(f"{registry}/{path.partition('/')[0]}", []).append((workload, image))
    for owner, pods in pulling.items():
        secret = next((secret for pod, _ in pods if (secret := _secrets(pod)) is not None), None)
        if secret is None:
            continue
        for workload, image in pods:
            if _secrets(workload) is not None:
                yield Agrees(image.at)
                continue
            actual = f"{workload.kind} {text(workload.name) or '?'} pulls {text(image)} without a pull secret"
            yield Contradicts(
                Quote(workload.pod.spec.at, actual),
                Quote(secret.at, f"a pod that pulls from {owner} has imagePullSecrets"),
                "give it the same imagePullSecrets",
            )


def _secrets(workload: Workload) -> Value | None:
    """The pod's pull secrets, also where a variable decides whether the list is empty."""
    return get(workload.pod.spec, "imagePullSecrets")
