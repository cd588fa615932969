"""Compares containers with a read-only root with the folders that their program writes to."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.known_software import Writer, known_software
from builder_contracts.truth.model import environment, image_name
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, Value, get, items, text


@rule("deployment/writable-folders", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    pods = [
        *(
            (f"{workload.kind} {text(workload.name) or '?'}", workload.pod)
            for workload in context.model.workloads
        ),
        *(
            (f"scale set {scale_set.name}", scale_set.pod)
            for scale_set in context.model.scale_sets
            if scale_set.pod is not None and not scale_set.is_left_out
        ),
    ]
    for name, pod in pods:
        for container in pod.containers:
            yield from _check_container(name, container)


def _check_container(name: str, container: Value) -> Iterator[RuleResult]:
    image = get(container, "image")
    writer = next((writer for writer in known_software().writers if _runs(writer, text(image) or "")), None)
    read_only = get(container, "securityContext", "readOnlyRootFilesystem")
    if image is None or writer is None or read_only is None:
        return
    if isinstance(read_only, Unknown):
        yield Undetermined(read_only.at, read_only.reason)
        return
    if text(read_only) != "true":
        return
    mounts = [
        (text(get(mount, "mountPath")) or "").rstrip("/")
        for mount in items(get(container, "volumeMounts"))
        if text(get(mount, "readOnly")) != "true"
    ]
    folder = writer.folder
    variables = environment(container)
    for variable in writer.variables:
        folder = text(variables.get(variable)) or folder
    arguments = [text(part) or "" for key in ("command", "args") for part in items(get(container, key))]
    if any(f"{folder}/".startswith(f"{mount}/") for mount in mounts) or any(
        option in argument for option in writer.options for argument in arguments
    ):
        yield Agrees(image.at)
        return
    yield Contradicts(
        Quote(image.at, f"{name}: {text(image)} with a read-only root and no volume at {folder}"),
        Quote(read_only.at, f"{writer.name} writes to {folder} ({writer.reference})"),
        f"mount an empty volume at {folder}"
        + (f", or set {writer.variables[-1]}" if writer.variables else ""),
    )


def _runs(writer: Writer, reference: str) -> bool:
    name = image_name(reference)
    return any(name == image or name.endswith(f"/{image}") for image in writer.images)
