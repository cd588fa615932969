"""Compares artifacts of a GitLab job, and the jobs that use them, with the links that `nix build` makes in it."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping

from builder_contracts.errors import Location
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.model import CiJob
from builder_contracts.truth.readers.shell import commands
from builder_contracts.truth.rule_context import RuleContext, excerpt
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.rules.workflows.job_needs import line_of
from builder_contracts.truth.value import text


@rule("workflows/artifacts", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    uploads: dict[str, dict[str, Location]] = {}
    for job in context.model.jobs:
        if not job.artifacts:
            continue
        links = _links(job)
        for path in job.artifacts:
            pattern = (text(path) or "").removeprefix("./").removesuffix("/**").removesuffix("/*").rstrip("/")
            matching = [link for link in links if fnmatch.fnmatchcase(link, pattern)]
            uploads.setdefault(job.name, {}).update({link: links[link] for link in matching})
            if matching:
                link = matching[0]
                expected = Quote(links[link], f"'nix build' makes {link} a symlink into /nix/store")
                fix = f"copy its target first (cp -rL {link} out/) and upload out/"
                yield Contradicts(Quote(path.at, f"job {job.name} uploads {pattern}"), expected, fix)
            else:
                yield Agrees(path.at)
    for job in context.model.jobs:
        yield from _used(job, uploads)


def _links(job: CiJob) -> dict[str, Location]:
    """The links into the store that a job makes, and where."""
    links: dict[str, Location] = {}
    for step in job.steps:
        script = text(step.run)
        if script is None or step.run is None:
            continue
        for command in commands(script):
            words = command.words
            if words[:2] != ("nix", "build") and words[0] != "nix-build":
                continue
            if "--no-link" in words or "--no-out-link" in words:
                continue
            named = [words[i + 1] for i, word in enumerate(words[:-1]) if word in ("--out-link", "-o")]
            links[named[0] if named else "result"] = line_of(step.run, command)
    return links


def _used(job: CiJob, uploads: Mapping[str, Mapping[str, Location]]) -> Iterator[RuleResult]:
    """Lines of a job that follow a link which another job made: its target is not in this job's store."""
    own = _links(job)
    for other in job.artifacts_of:
        for link, made in uploads.get(other, {}).items():
            if link in own or other == job.name:
                continue
            path = re.compile(rf"(?<![\w./-])(?:\./)?{re.escape(link)}/")
            for step in job.steps:
                script = text(step.run)
                if script is None or step.run is None or not (match := path.search(script)):
                    continue
                number = script.count("\n", 0, match.start()) + (1 if "\n" in script else 0)
                at = Location(step.run.at.file, step.run.at.line + number)
                line = script[script.rfind("\n", 0, match.start()) + 1 :].partition("\n")[0]
                expected = Quote(made, f"job {other} makes {link} a symlink into its own /nix/store")
                fix = f"build {link} in this job, or upload a copy of its target (cp -rL {link} out/)"
                yield Contradicts(Quote(at, f"job {job.name}: {excerpt(line)}"), expected, fix)
