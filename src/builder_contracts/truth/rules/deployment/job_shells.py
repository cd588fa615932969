"""Compares images of jobs with those known to have no usable shell."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.model import split_reference
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.deployment.image_uses import image_uses
from builder_contracts.truth.rules.registry import rule


@rule("deployment/job-shells", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("deployment")
    patterns = facts.get("without_shell", default=[])
    for use, reference in image_uses(context):
        if reference is None or not use.by.startswith("job "):
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
