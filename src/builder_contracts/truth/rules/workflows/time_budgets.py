"""Compares time limits of commands, and those of GitLab's runners, with the limit of the job."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder_contracts.errors import Location
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.model import CiJob, GitlabRunner
from builder_contracts.truth.rule_context import RuleContext, excerpt
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, Value, items, text

_COMMAND = re.compile(
    r"(?:^|[\s;&|(])timeout\s+(?:-[ks]\s+\S+\s+|-\S+\s+)*(\d+[smhd]?)\s"
    r"|\b(?:kubectl|helm|oc)\b[^|;&]*?\s--timeout[= ]((?:\d+[hms])+)(?![\w.])"
)
_PART = re.compile(r"(\d+)\s*([a-z]*)\s*")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@rule("workflows/time-budgets", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    for job in context.model.jobs:
        limit = _seconds(job.timeout, 60 if job.forge == "github" else 1)
        if job.timeout is None or limit is None:
            continue
        own = Quote(
            job.timeout.at,
            f"job {job.name} ends after {text(job.timeout)}{' minutes' * (job.forge == 'github')}",
        )
        wrong: list[RuleResult] = [
            *_commands(job, limit, own),
            *_runners(job, limit, own, context.model.gitlab_runners),
        ]
        yield from wrong or (Agrees(job.timeout.at),)


def _commands(job: CiJob, limit: int, own: Quote) -> Iterator[Contradicts]:
    """Commands that may take longer than their job, which then ends without what they would have said."""
    for step in job.steps:
        if step.run is None or "timeout" not in (script := text(step.run) or ""):
            continue
        first = step.run.at.line + (1 if "\n" in script else 0)
        for number, line in enumerate(script.split("\n"), first):
            match = None if line.lstrip().startswith("#") else _COMMAND.search(line)
            if match and (_in_seconds(match[1] or match[2]) or 0) > limit:
                at = Location(step.run.at.file, number)
                yield Contradicts(Quote(at, excerpt(line)), own, "give the command less time than the job")


def _runners(job: CiJob, limit: int, own: Quote, runners: list[GitlabRunner]) -> Iterator[Contradicts]:
    """The runners that may take the job, if all of them end it earlier: the smaller limit counts.

    Source: https://docs.gitlab.com/ci/runners/configure_runners/#set-the-maximum-job-timeout
    """
    tags = {text(label) for label in job.labels}
    if job.forge != "gitlab" or not tags or any(isinstance(runner.tags, Unknown) for runner in runners):
        return
    able = [runner for runner in runners if tags <= {text(tag) for tag in items(runner.tags)}]
    limits = [_seconds(runner.maximum_timeout, 1) for runner in able]
    if able and all(most is not None and most < limit for most in limits):
        off = "" if able[0].deployed else " (switched off by default)"
        says = f"its runner{off} ends every job after {text(able[0].maximum_timeout)} s"
        at = able[0].maximum_timeout.at if able[0].maximum_timeout is not None else able[0].at
        yield Contradicts(own, Quote(at, says), "raise maximum_timeout, or shorten the job")


def _seconds(value: Value | None, unit: int) -> int | None:
    written = text(value)
    seconds = _in_seconds(written) if written is not None else None
    return seconds * unit if seconds is not None else None


def _in_seconds(written: str) -> int | None:
    """A duration as GitLab, coreutils and Go write it: ``90 minutes``, ``30m``, ``1h30m``; a bare number is seconds."""
    parts = _PART.findall(written.lower())
    if not parts or _PART.sub("", written.lower()) or any(unit[:1] not in _SECONDS for _, unit in parts):
        return None
    return sum(int(amount) * _SECONDS[unit[:1]] for amount, unit in parts)
