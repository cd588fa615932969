"""The images that a checkout uses, including the default image of a chart."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.model import ImageUse
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.scale_set_image import CHART_IMAGE
from builder_contracts.truth.value import Known, get, text


def image_uses(context: RuleContext) -> Iterator[tuple[ImageUse, str | None]]:
    for use in context.model.images:
        yield use, text(use.reference)
    for scale_set in context.model.scale_sets:
        # A template without the container keeps the chart's whole; one with it, without image, overrides the image away.
        if scale_set.pod is not None and get(scale_set.runner, "image") is None:
            at = scale_set.runner.at if scale_set.runner is not None else scale_set.at
            yield (
                ImageUse(Known(CHART_IMAGE, at), f"scale set {scale_set.name} (chart default)"),
                CHART_IMAGE,
            )
