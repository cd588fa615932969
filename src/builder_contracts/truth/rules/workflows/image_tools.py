"""Compares the tools that Bazel's modules run with what the image of a job lacks and its script does not install."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.known_software import known_software
from builder_contracts.truth.model import split_reference
from builder_contracts.truth.readers.shell import commands
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import get, text

_TOOL = "python3"
_BAZEL = frozenset({"bazel", "bazelisk"})


@rule("workflows/image-tools", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    modules = [
        dependency
        for module in context.model.bazel_modules
        for dependency in module.dependencies
        if dependency.name in known_software().python_launchers
    ]
    for job in context.model.jobs:
        image = text(job.container) or text(get(job.container, "image"))
        scripts = [(step.run, written) for step in job.steps if (written := text(step.run)) is not None]
        runs_bazel = any(_BAZEL & {*command.words} for _, written in scripts for command in commands(written))
        if image is None or not runs_bazel or not modules:
            continue
        base = context.facts("deployment").get("bases", split_reference(image)[0].removeprefix("docker.io/"))
        if base is None or _TOOL not in base.get("lacks", ()):
            continue
        if any(re.search(rf"\b{_TOOL}\b", written) for _, written in scripts):
            yield Agrees(job.at)
            continue
        installs = next((run for run, written in scripts if run is not None and "install" in written), None)
        yield Contradicts(
            Quote(
                installs.at if installs is not None else job.at,
                f"job {job.name} installs no {_TOOL} in {image}",
            ),
            Quote(modules[0].at, f"{modules[0].name} runs programs that start with {_TOOL}"),
            f"install {_TOOL} before bazel runs",
        )
