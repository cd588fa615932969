"""Programs that the image of a scale set holds and lacks, as far as it is declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.errors import Location
from builder_contracts.truth.model import ScaleSet, image_name
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.value import Unknown, get, items, text
from builder_contracts.verdict import Assessment, broken, kept, unproven

CHART_IMAGE = "ghcr.io/actions/actions-runner:latest"
"""The image of the chart gha-runner-scale-set for a template without one (its values.yaml, 0.4 to 0.13)."""

# Mounts there can bring programs.
_PROGRAMS = ("/usr", "/bin", "/opt", "/nix", "/home/runner/bin")


@dataclass(frozen=True)
class ScaleSetImage:
    """The image of a scale set's runners: its reference, the line that names it, and what is declared of it.

    ``added`` is what else the template has that can bring programs; empty if nothing.
    """

    reference: str
    at: Location
    base: Mapping[str, Any] | None
    added: str

    def lacks(self, tool: str) -> bool:
        """Whether runners certainly have no such program."""
        return self.base is not None and not self.added and tool in (self.base.get("lacks") or ())

    def holds(self, tool: str) -> bool:
        return self.base is not None and tool in self.base.get("holds", ())


def image_of(context: RuleContext, scale_set: ScaleSet) -> ScaleSetImage | Unknown:
    """The image of a scale set; Unknown if it is named only at run time."""
    image = get(scale_set.runner, "image")
    if isinstance(image, Unknown):
        return image
    written = text(image)
    if scale_set.pod is None or (written is None and scale_set.runner is None):
        written = CHART_IMAGE
    if written is None:
        return Unknown("the template's container names no image", scale_set.at)
    if "$" in written:
        return Unknown(f"{written} is resolved at run time", scale_set.at)
    at = image.at if image is not None else scale_set.at
    name = image_name(written)
    base = context.facts("deployment").get("bases", name)
    return ScaleSetImage(written, at, base, _added(scale_set))


def _added(scale_set: ScaleSet) -> str:
    if scale_set.pod is None:
        return ""
    if items(get(scale_set.pod.spec, "initContainers")):
        return "init containers"
    mounts = [text(get(mount, "mountPath")) or "" for mount in items(get(scale_set.runner, "volumeMounts"))]
    mount = next((path for path in mounts if path.startswith(_PROGRAMS)), None)
    if mount is not None:
        return f"the mount at {mount}"
    command = [*items(get(scale_set.runner, "command")), *items(get(scale_set.runner, "args"))]
    script = next((word for word in map(text, command) if word and "install" in word), None)
    return "its start command" if script else ""


def judge_tool(promise: Tool, image: ScaleSetImage) -> Assessment:
    """Whether runners have a tool, by what is declared of their image."""
    holds = image.holds(promise.name)
    if not promise.present:
        if holds:
            return broken(f"{image.reference} contains it", "deploy an image without it, or remove it")
        if image.lacks(promise.name):
            return kept(f"{image.reference} is declared to lack it", declared=True)
    elif holds:
        if promise.version is None and not promise.features:
            return kept(f"{image.reference} is declared to contain it", declared=True)
        return unproven(
            f"{image.reference} contains it; only a runner proves version and features", provable_here=False
        )
    elif image.lacks(promise.name):
        return broken(
            f"{image.reference} lacks {promise.name}, and the template adds nothing",
            "deploy an image that has it",
        )
    elif image.base is not None and image.added and promise.name in (image.base.get("lacks") or ()):
        return unproven(f"{image.reference} lacks it, but {image.added} may bring it", provable_here=False)
    return unproven("not decidable from a checkout; check a runner", provable_here=False)
