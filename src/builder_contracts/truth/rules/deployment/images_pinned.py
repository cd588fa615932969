"""Compares image references with the tags that move; a scale set without an image has the chart's default."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.model import split_reference
from builder_contracts.truth.placeholders import is_placeholder
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.deployment.image_uses import image_uses
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown


@rule("deployment/images-pinned", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("deployment")
    own, floating = facts.get("images", "own", default=[]), facts.get("images", "floating")
    for use, reference in image_uses(context):
        if isinstance(use.reference, Unknown):
            yield Undetermined(use.reference.at, use.reference.reason)
        elif reference is not None and "$" in reference:
            yield Undetermined(use.reference.at, f"{reference} is resolved at run time", decidable=False)
        elif reference == "":
            yield Undetermined(use.reference.at, f"{use.by}: the image is left empty", decidable=False)
        if not reference or "$" in reference:
            continue
        name, tag, digest = split_reference(reference)
        if is_placeholder(name.partition("/")[0]):
            reason = f"{use.by}: {reference} stands for an image"
            yield Undetermined(use.reference.at, reason, decidable=False)
        elif (
            digest
            or any(fnmatch.fnmatch(reference, pattern) for pattern in own)
            or (tag and tag not in floating)
        ):
            yield Agrees(use.reference.at)
        else:
            actual = Quote(use.reference.at, f"{use.by}: {reference}")
            expected = declared(
                facts, "images", "floating", says=f"mutable tags: {', '.join(floating)}, and no tag"
            )
            yield Contradicts(actual, expected, f"pin {name} to a release or digest")
