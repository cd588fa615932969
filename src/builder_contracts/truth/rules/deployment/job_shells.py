"""Compares images of jobs, those that runners of GitLab give to jobs without one included, with those known to have no usable shell."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Iterator

from builder_contracts.errors import Location
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.model import ImageUse, split_reference
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.deployment.image_uses import image_uses
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Known


@rule("deployment/job-shells", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("deployment")
    patterns = facts.get("without_shell", default=[])
    uses = [(use, reference) for use, reference in image_uses(context) if use.by.startswith("job ")]
    for use, reference in [*uses, *_defaults(context)]:
        if reference is None:
            continue
        name = split_reference(reference)[0].removeprefix("docker.io/")
        index = next((i for i, pattern in enumerate(patterns) if fnmatch.fnmatch(name, pattern)), None)
        if index is None:
            yield Agrees(use.reference.at)
        else:
            expected = declared(
                facts, "without_shell", index, says=f"{patterns[index]} has no usable /bin/sh"
            )
            yield Contradicts(
                Quote(use.reference.at, f"{use.by} runs in {reference}"),
                expected,
                "run it in an image with a shell",
            )


def _defaults(context: RuleContext) -> Iterator[tuple[ImageUse, str | None]]:
    """The images that runners of GitLab give to jobs that name none."""
    for template in context.model.templates:
        try:
            runners = tomllib.loads(template.text).get("runners", [])
        except (tomllib.TOMLDecodeError, RecursionError):
            continue
        for runner in runners:
            image = runner.get("kubernetes", {}).get("image") if isinstance(runner, dict) else None
            if isinstance(image, str):
                place = template.raw.find(image)
                line = template.raw.count("\n", 0, place) if place >= 0 else 0
                at = Location(template.at.file, template.at.line + line)
                yield ImageUse(Known(image, at), "job without an image"), image
