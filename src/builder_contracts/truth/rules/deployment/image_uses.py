"""The images that a checkout uses, including the default image of a chart."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.model import ImageUse
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.value import Known, get, text

# The image of the chart gha-runner-scale-set for a template without one (its values.yaml, 0.4 to 0.13).
_CHART_IMAGE = "ghcr.io/actions/actions-runner:latest"


def image_uses(context: RuleContext) -> Iterator[tuple[ImageUse, str | None]]:
    for use in context.model.images:
        yield use, text(use.reference)
    for scale_set in context.model.scale_sets:
        # A template without the container keeps the chart's whole; one with it, without image, overrides the image away.
        if scale_set.pod is not None and get(scale_set.runner, "image") is None:
            at = scale_set.runner.at if scale_set.runner is not None else scale_set.at
            yield (
                ImageUse(Known(_CHART_IMAGE, at), f"scale set {scale_set.name} (chart default)"),
                _CHART_IMAGE,
            )
