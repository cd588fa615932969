"""Compares artifacts of a GitLab job with the links that `nix build` makes in it."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from builder_contracts.errors import Location
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.readers.shell import commands
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.rules.workflows.job_needs import line_of
from builder_contracts.truth.value import text


@rule("workflows/artifacts", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    for job in context.model.jobs:
        if not job.artifacts:
            continue
        links: dict[str, Location] = {}
        for step in job.steps:
            script = text(step.run)
            if script is None or step.run is None:
                continue
            for command in commands(script):
                if command.words[:2] == ("nix", "build") or command.words[0] == "nix-build":
                    words = command.words
                    if "--no-link" in words or "--no-out-link" in words:
                        continue
                    named = [
                        words[i + 1] for i, word in enumerate(words[:-1]) if word in ("--out-link", "-o")
                    ]
                    links[named[0] if named else "result"] = line_of(step.run, command)
        for path in job.artifacts:
            pattern = (text(path) or "").removeprefix("./").removesuffix("/**").removesuffix("/*").rstrip("/")
            link = next((link for link in links if fnmatch.fnmatchcase(link, pattern)), None)
            if link is not None:
                expected = Quote(links[link], f"'nix build' makes {link} a symlink into /nix/store")
                fix = f"copy its target first (cp -rL {link} out/) and upload out/"
                yield Contradicts(Quote(path.at, f"job {job.name} uploads {pattern}"), expected, fix)
            else:
                yield Agrees(path.at)
