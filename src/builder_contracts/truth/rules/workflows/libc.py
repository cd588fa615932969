"""Compares the image of a job with programs and actions that need another C library than the image has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from builder_contracts.contract.model import Contract
from builder_contracts.errors import Location
from builder_contracts.truth.checkout_scan import SearchWords
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.known_software import known_software
from builder_contracts.truth.model import CiJob, split_reference
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.readers.shell import commands
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.rules.workflows.job_needs import line_of
from builder_contracts.truth.value import get, text

_SHELL_OF_NIX = "flake.nix"


def words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    del platform, contracts
    return SearchWords(keep=frozenset([_SHELL_OF_NIX]))


@rule("workflows/libc", scope="any", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    for job in context.model.jobs:
        named = job.container if text(job.container) is not None else get(job.container, "image")
        if named is None or not _is_musl(text(named) or ""):
            continue
        needing = next(_glibc_programs(context, job), None)
        if needing is None:
            yield Agrees(named.at)
            continue
        reference = known_software().libc.reference
        expected = f"{needing.says}, which is built for glibc ({reference})"
        yield Contradicts(
            Quote(named.at, f"job {job.name} runs in {text(named)}, whose C library is musl"),
            Quote(needing.at, expected),
            "use an image with glibc, such as debian",
        )


def _is_musl(reference: str) -> bool:
    name, tag, _ = split_reference(reference)
    return name.rpartition("/")[2] in known_software().libc.musl_images or "alpine" in tag


def _glibc_programs(context: RuleContext, job: CiJob) -> Iterator[Quote]:
    """What the job starts that needs glibc, and where it comes from."""
    libraries = known_software().libc
    for step in job.steps:
        uses = text(step.uses) or ""
        if uses.partition("@")[0] in libraries.actions and step.uses is not None:
            yield Quote(step.uses.at, f"{uses} downloads a program")
        script = text(step.run)
        if script is None or step.run is None:
            continue
        for command in commands(script):
            yield from _launched(context, command.words[0], line_of(step.run, command), command.environment)


def _launched(context: RuleContext, word: str, at: Location, environment: str) -> Iterator[Quote]:
    for launcher, started in known_software().libc.launchers.items():
        if word == launcher and not environment:
            yield Quote(at, f"{launcher} downloads {started}")
        shell = context.model.kept.get(_SHELL_OF_NIX, "")
        match = re.search(rf"\b{re.escape(launcher)}\b", shell)
        if word in (launcher, started) and environment.startswith("nix") and match:
            line = shell.count("\n", 0, match.start()) + 1
            yield Quote(Location(_SHELL_OF_NIX, line), f"{launcher} downloads {started}")
