"""Pod templates: from a manifest, from a scale set, or from the values of its chart. Pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from builder_contracts.contract.document import Document, Pointer
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.runner.docker.job_start import IDLE
from builder_contracts.runner.kubernetes import scale_set_chart

RUNNER = "runner"
"""What the Actions Runner Controller calls the container that runs the jobs."""

Json: TypeAlias = dict[str, Any]

_SCALE_SET = "AutoscalingRunnerSet"


@dataclass(frozen=True)
class PodTemplate:
    """What the pods of a class are made from.

    ``options`` are the words of the command line that chose it. ``labels`` are the ``runs-on`` labels of the scale set
    that is deployed with it, or nothing. ``lines`` are the places, FILE:LINE, of what decides promises.
    """

    metadata: Json
    spec: Json
    options: tuple[str, ...]
    labels: tuple[str, ...] = ()
    lines: Mapping[str, str] = field(default_factory=dict)

    @property
    def container(self) -> str:
        """The name of the container that runs the jobs."""
        return str(_runner(self.spec)["name"])

    @property
    def namespace(self) -> str:
        """The namespace that the manifest names, or nothing."""
        return str(self.metadata.get("namespace", ""))

    @property
    def image(self) -> str:
        """The image of that container."""
        return str(_runner(self.spec).get("image", ""))


def from_manifest(document: Document, options: Sequence[str]) -> PodTemplate:
    """The template in a manifest: a Pod, or a rendered AutoscalingRunnerSet. Raises InputError."""
    data = _kubernetes_data(document)
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind not in ("Pod", _SCALE_SET):
        raise _wrong(
            document,
            (),
            f"kind is {kind or 'not set'}, expected Pod or {_SCALE_SET}",
            "pass the manifest of a pod, or what helm template -s templates/autoscalingrunnerset.yaml prints",
        )
    if kind == _SCALE_SET:
        return scale_set(data, options, document)
    return _checked(document, data, (), options)


def scale_set(data: Json, options: Sequence[str], document: Document | None = None) -> PodTemplate:
    """The template of an AutoscalingRunnerSet, and the labels that its jobs ask for. Raises InputError."""
    document = document or Document(data, {(): Location("the cluster's AutoscalingRunnerSet")})
    spec = mapping_at(data, "spec")
    name = spec.get("runnerScaleSetName") or mapping_at(data, "metadata").get("name") or ""
    others = spec.get("runnerScaleSetLabels")
    labels = (str(name), *(map(str, others) if isinstance(others, list) else ()))
    return _checked(document, spec.get("template"), ("spec", "template"), options, labels)


def from_values(document: Document, options: Sequence[str], *, release: str) -> PodTemplate:
    """The template that the chart gha-runner-scale-set makes from a values file. Raises InputError.

    ``release`` is the name of the installation, unless the values name the scale set.
    """
    values = _kubernetes_data(document)
    if not isinstance(values, dict):
        raise _wrong(document, (), "the values are not a mapping", "pass the values file of the chart")
    if values.get("githubServerTLS"):
        raise _wrong(
            document,
            ("githubServerTLS",),
            "only the chart itself renders githubServerTLS",
            "pass the chart as --helm-chart",
        )
    container_mode, template = mapping_at(values, "containerMode"), mapping_at(values, "template")
    mode = container_mode.get("type") or ""
    # The chart's own tests call it so.
    mode = "" if mode == "none" else mode
    if mode not in scale_set_chart.MODES:
        raise _wrong(
            document,
            ("containerMode", "type"),
            f"container mode {mode!r} is not one of {', '.join(filter(None, scale_set_chart.MODES))}",
            "use one of them",
        )
    # Helm merges the values into the chart's own.
    template = {**template, "spec": {**scale_set_chart.DEFAULT_SPEC, **mapping_at(template, "spec")}}
    checked = _checked(document, template, ("template",), options)
    spec = scale_set_chart.complete(
        checked.spec,
        mode=mode,
        release=str(values.get("runnerScaleSetName") or release),
        work_claim=container_mode.get("kubernetesModeWorkVolumeClaim"),
    )
    return PodTemplate(checked.metadata, spec, tuple(options), lines=checked.lines)


def pod(
    template: PodTemplate,
    *,
    name: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    seconds: int,
    image: str = "",
) -> Json:
    """The pod of a run: its name and labels, an idle command, an end after ``seconds``; the rest is the template's.

    ``image`` replaces that of the container that runs the jobs.
    """
    spec = copy.deepcopy(template.spec)
    # A shell as the first process ignores SIGTERM, so it would be waited for in vain.
    spec |= {"activeDeadlineSeconds": seconds, "terminationGracePeriodSeconds": 1}
    runner = _runner(spec)
    runner.pop("args", None)
    runner |= {"command": list(IDLE), "stdin": True}
    if image:
        runner["image"] = image
    metadata = copy.deepcopy(template.metadata)
    metadata.pop("namespace", None)
    metadata["name"] = name
    metadata["labels"] |= labels
    metadata["annotations"] |= annotations
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _runner(spec: Json) -> Json:
    containers: list[Json] = spec["containers"]
    return next((item for item in containers if item.get("name") == RUNNER), containers[0])


def _checked(
    document: Document,
    data: Any,
    pointer: Pointer,
    options: Sequence[str],
    labels: tuple[str, ...] = (),
) -> PodTemplate:
    """The template at a place of a document, with as much looked at as this module uses. Raises InputError."""
    spec = mapping_at(data, "spec")
    at = (*pointer, "spec", "containers")
    if not spec.get("containers"):
        raise _wrong(
            document, at, "the pod has no spec.containers", f"add the container that is called {RUNNER}"
        )
    containers = spec["containers"]
    for key in ("containers", "initContainers", "volumes"):
        _require_mappings(document, (*pointer, "spec"), spec, key)
    for number, item in enumerate(containers):
        for key in ("env", "volumeMounts"):
            _require_mappings(document, (*at, number), item, key)
        if not isinstance(item.get("name"), str):
            raise _wrong(document, (*at, number), "the container has no name", "name each container")
    names = [item["name"] for item in containers]
    if RUNNER not in names and len(names) > 1:
        raise _wrong(
            document,
            at,
            f"no container is called {RUNNER}: {', '.join(names)}",
            f"call the container that runs the jobs {RUNNER}",
        )
    metadata: Json = {key: mapping_at(mapping_at(data, "metadata"), key) for key in ("labels", "annotations")}
    namespace = mapping_at(data, "metadata").get("namespace")
    if isinstance(namespace, str):
        metadata["namespace"] = namespace
    return PodTemplate(metadata, spec, tuple(options), labels, _lines(document, (*pointer, "spec"), spec))


HOST_NAMESPACES = {"network": "hostNetwork", "pid": "hostPID", "ipc": "hostIPC"}
"""The fields of a pod that share a namespace of the node."""


def _lines(document: Document, at: Pointer, spec: Json) -> dict[str, str]:
    """The places of the fields that decide promises, or of what they are missing in."""
    runner = (*at, "containers", spec["containers"].index(_runner(spec)))
    shared = next((name for name in HOST_NAMESPACES.values() if spec.get(name)), "")
    places = {name: (*at, name) for name in ("volumes", "priorityClassName")}
    places |= {
        name: (*runner, name) for name in ("image", "imagePullPolicy", "resources", "env", "securityContext")
    }
    places["hostNamespaces"] = (*at, shared)
    whole = document.source(())
    # Values without a template get the chart's own, of which no line is here.
    sources = {name: document.source(place) for name, place in places.items()}
    return {name: str(source) for name, source in sources.items() if source != whole}


def mapping_at(data: Any, key: str) -> Json:
    """The mapping at a key of a mapping, or an empty one."""
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, dict) else {}


def _require_mappings(document: Document, pointer: Pointer, data: Json, key: str) -> None:
    """See that the value at a key, if any, is a list of mappings. Raises InputError."""
    items = data.get(key)
    if items is None or (isinstance(items, list) and all(isinstance(item, dict) for item in items)):
        return
    raise _wrong(document, (*pointer, key), f"{key} is not a list of mappings", "check the indentation")


def _wrong(document: Document, pointer: Pointer, message: str, fix: str) -> InputError:
    return InputError([Problem(document.source(pointer), message, fix)])


_OCTAL = re.compile(r"0[0-7]+")


def _kubernetes_data(document: Document) -> Any:
    """The data as Kubernetes reads it: YAML 1.1, in which 0755 is octal."""
    data = copy.deepcopy(document.data)
    for pointer, spelling in document.spellings.items():
        if _OCTAL.fullmatch(spelling):
            place = data
            for step in pointer[:-1]:
                place = place[step]
            place[pointer[-1]] = int(spelling, 8)
    return data
