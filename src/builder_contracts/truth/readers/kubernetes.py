"""Read Kubernetes objects, from manifests, rendered charts or OpenTofu's provider."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.model import (
    Autoscaler,
    ConfigMapFile,
    Exposure,
    ImageUse,
    KubernetesService,
    Model,
    NameUse,
    Pod,
    ScaleSet,
    Selector,
    Workload,
)
from builder_contracts.truth.value import Known, Unknown, Value, fields, get, items, text, walk

_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet", "Pod", "CronJob"})
SCALE_SET_VALUES = frozenset({"githubConfigUrl", "githubConfigSecret", "runnerScaleSetName", "minRunners",
                              "maxRunners", "containerMode", "runnerGroup", "controllerServiceAccount",
                              "scaleSetLabels", "template"})  # fmt: skip
"""Values of the chart gha-runner-scale-set that rules read."""
_SELECTING = frozenset({"PodDisruptionBudget", "ServiceMonitor", "PodMonitor"})


def read_kubernetes(value: Value, model: Model, variant: str = "") -> None:
    """Add an object to the model; what is not an object of Kubernetes is passed over."""
    kind = text(get(value, "kind"))
    if kind == "List":
        for item in items(get(value, "items")):
            read_kubernetes(item, model, variant)
        return
    if kind is None:
        return
    name, namespace = get(value, "metadata", "name"), get(value, "metadata", "namespace")
    at = value.at
    if namespace is not None:
        model.namespaces.append(NameUse(namespace, False, namespace.at))
    model.storage_classes += storage_classes(value, variant)
    api_version = get(value, "apiVersion")
    group, _, version = (text(api_version) or "").partition("/")
    # Groups below k8s.io are those of Kubernetes and of projects that clusters come with.
    if api_version is not None and version and "." in group and not group.endswith("k8s.io"):
        model.custom_resources.append(NameUse(Known(group, api_version.at), False, api_version.at, variant))
    if kind in _WORKLOADS:
        template = get(value, "spec", "jobTemplate") if kind == "CronJob" else value
        spec = get(template, "spec") if kind == "Pod" else get(template, "spec", "template", "spec")
        if spec is not None:
            _workload(Workload(kind, name, namespace, Pod(spec), at), model)
    elif kind == "Service":
        ports = tuple(
            port for entry in items(get(value, "spec", "ports")) if (port := get(entry, "port")) is not None
        )
        model.services.append(KubernetesService(name, namespace, ports, at))
    elif kind == "Ingress":
        ingress_class = get(value, "spec", "ingressClassName")
        for rule in items(get(value, "spec", "rules")):
            if (host := get(rule, "host")) is not None:
                model.exposures.append(Exposure(host, ingress_class, name, host.at))
    elif kind == "Namespace" and name is not None:
        model.namespaces.append(NameUse(name, True, name.at))
    elif kind == "StorageClass" and name is not None:
        model.storage_classes.append(NameUse(name, True, name.at))
    elif kind == "CustomResourceDefinition" and (defined := get(value, "spec", "group")) is not None:
        model.custom_resources.append(NameUse(defined, True, defined.at))
    elif kind == "HorizontalPodAutoscaler":
        target = get(value, "spec", "scaleTargetRef", "name")
        least, most = get(value, "spec", "minReplicas"), get(value, "spec", "maxReplicas")
        model.autoscalers.append(Autoscaler(target, least, most, at))
    elif kind in _SELECTING:
        model.selectors.append(Selector(kind, get(value, "spec", "selector", "matchLabels"), at))
    elif kind == "ConfigMap":
        model.settings += [
            ConfigMapFile(file, content, name) for file, content in fields(get(value, "data")).items()
        ]
    elif kind == "Secret":
        # Which keys it has, never what they hold.
        keys = {**fields(get(value, "data")), **fields(get(value, "stringData"))}
        model.settings += [
            ConfigMapFile(key, Unknown("it is in a secret", entry.at), name) for key, entry in keys.items()
        ]
    elif kind == "AutoscalingRunnerSet":
        _runner_set(value, model, variant)


def storage_classes(value: Value | None, variant: str) -> Iterator[NameUse]:
    """The storage classes that an object or the values of a chart ask for; an empty name asks for none."""
    for part in walk(value):
        for key in ("storageClassName", "storageClass"):
            name = fields(part).get(key)
            if name is not None and (isinstance(name, Unknown) or text(name)):
                yield NameUse(name, False, name.at, variant)


def _workload(workload: Workload, model: Model) -> None:
    model.workloads.append(workload)
    pod_images(workload.pod, f"{workload.kind} {text(workload.name) or '?'}", model)


def pod_images(pod: Pod, by: str, model: Model) -> None:
    """Add the images of a pod's containers."""
    for container in pod.containers:
        image = get(container, "image")
        if image is not None:
            model.images.append(ImageUse(image, by))


def _runner_set(value: Value, model: Model, variant: str) -> None:
    """The object that the chart gha-runner-scale-set renders to."""
    spec = fields(get(value, "spec"))
    labels = fields(get(value, "metadata", "labels"))
    name = text(get(value, "metadata", "name")) or ""
    values = {
        key: item for key, item in spec.items() if key in SCALE_SET_VALUES or key == "runnerScaleSetLabels"
    }
    values.setdefault("runnerScaleSetName", Known(name, value.at))
    pod = Pod(get(value, "spec", "template", "spec") or Known({}, value.at))
    if pod.container("dind") is not None:
        mode = Known({"type": Known("dind", value.at)}, value.at)
        values.setdefault("containerMode", mode)
    version = labels.get("app.kubernetes.io/version")
    scale_set(
        ScaleSet(name, Known(values, value.at), version, get(value, "metadata", "namespace"), Known(True, value.at),
                 variant, value.at, is_rendered=True),
        model,
    )  # fmt: skip


def is_helm_values(value: Value) -> bool:
    """Whether a document has the keys of the values of the chart gha-runner-scale-set."""
    keys = fields(value).keys()
    return "githubConfigUrl" in keys and len(SCALE_SET_VALUES & keys) >= 2


def scale_set(scale_set: ScaleSet, model: Model) -> None:
    """Add a scale set and the images that its template names."""
    model.scale_sets.append(scale_set)
    if scale_set.namespace is not None:
        model.namespaces.append(NameUse(scale_set.namespace, False, scale_set.namespace.at))
    if scale_set.pod is not None:
        pod_images(scale_set.pod, f"scale set {scale_set.name}", model)
