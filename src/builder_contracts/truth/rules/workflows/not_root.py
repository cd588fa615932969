"""Compares toolchains that refuse root with jobs that run as root."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.readers.shell import commands
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import get, text


@rule("workflows/not-root", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    refusals = context.model.root_refusals
    for job in context.model.jobs:
        bazel = next((step for step in job.steps if any(command.words[0] in ("bazel", "bazelisk")
                      for command in commands(text(step.run) or ""))), None)  # fmt: skip
        if bazel is None:
            continue
        user = text(get(job.container, "options")) or ""
        root = (job.forge == "gitlab" or job.container is not None) and "--user" not in user
        if root and refusals:
            actual = Quote(refusals[0], "this Python toolchain rejects root")
            at = job.container.at if job.container is not None else job.at
            expected = Quote(
                at,
                f"job {job.name} runs as the image's user, which defaults to root",
            )
            yield Contradicts(
                actual, expected, "set ignore_root_user_error = True, or run the job as a different user"
            )
        else:
            yield Agrees(bazel.at)
