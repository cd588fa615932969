"""Compares toolchains that refuse root, those that other modules bring included, with jobs that run as root."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.known_software import known_software
from builder_contracts.truth.model import BazelModule, CiJob
from builder_contracts.truth.readers.shell import commands
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import get, text

_BAZEL = ("bazel", "bazelisk")


@rule("workflows/not-root", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    rejections = [
        rejection for module in context.model.bazel_modules if (rejection := _rejection(module)) is not None
    ]
    for job in context.model.jobs:
        bazel = next(
            (
                step
                for step in job.steps
                if any(command.words[0] in _BAZEL for command in commands(text(step.run) or ""))
            ),
            None,
        )
        if bazel is None:
            continue
        if not (_is_root(job) and rejections):
            yield Agrees(bazel.at)
            continue
        at = job.container.at if job.container is not None else job.at
        expected = Quote(at, f"job {job.name} runs as the image's user, which defaults to root")
        fix = "set ignore_root_user_error = True in python.toolchain(), or run the job as a different user"
        for rejection in rejections:
            yield rejection if isinstance(rejection, Undetermined) else Contradicts(rejection, expected, fix)


def _is_root(job: CiJob) -> bool:
    user = text(get(job.container, "options")) or ""
    return (job.forge == "gitlab" or job.container is not None) and "--user" not in user


def _rejection(module: BazelModule) -> Quote | Undetermined | None:
    """What says that a module's Python interpreter rejects root; None if it accepts it or there is none."""
    rules = known_software().python_rules
    if any(toolchain.accepts_root for toolchain in module.python_toolchains):
        return None
    own = next((dependency for dependency in module.dependencies if dependency.name == "rules_python"), None)
    asked = [(own.version, own)] if own is not None else []
    unlisted = []
    for dependency in module.dependencies:
        version = rules.asked_for_by.get(f"{dependency.name} {dependency.version}")
        if version:
            asked.append((version, dependency))
        elif version is None and dependency is not own:
            unlisted.append(dependency)
    versions = [(version, dependency) for version, dependency in asked if version]
    if any(_release(version) >= _release(rules.accepts_root) for version, _ in versions):
        return None
    before = f"rules_python before {rules.accepts_root} rejects root ({rules.reference})"
    if module.python_toolchains:
        return Quote(module.python_toolchains[0].at, f"this Python toolchain rejects root; {before}")
    if not versions:
        return None
    version, dependency = versions[0]
    if unlisted and dependency is not own:
        return Undetermined(
            unlisted[0].at,
            f"{unlisted[0].name} {unlisted[0].version} may ask for a rules_python that accepts root",
        )
    return Quote(
        dependency.at,
        f"{dependency.name} {dependency.version} asks for rules_python {version} and no toolchain sets "
        f"ignore_root_user_error; {before}",
    )


def _release(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))
