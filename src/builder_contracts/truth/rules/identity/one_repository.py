"""Compares every `OWNER/NAME` of the platform with the remote `origin`, or with the declared repository."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from builder_contracts.contract.model import Contract
from builder_contracts.truth.checkout_scan import SearchWords
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.prose import denies, same
from builder_contracts.truth.rule_context import RuleContext, declared, quoted
from builder_contracts.truth.rules.registry import rule


def words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    del contracts
    return SearchWords(lines=(platform.area("identity").get("repository", default="").rpartition("/")[2],))


@rule("identity/one-repository", scope="own", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("identity")
    repository = facts.get("repository")
    name = repository.rpartition("/")[2]
    current, expected = repository, declared(facts, "repository")
    origin = context.model.origin
    if origin is not None and same(origin[0].partition("/")[2], name):
        if same(origin[0], repository):
            yield Agrees(origin[1])
        else:
            actual = Quote(origin[1], f"this checkout is {origin[0]}")
            yield Contradicts(
                actual, expected, "move the work to the declared repository, or declare this one"
            )
        current, expected = origin[0], Quote(origin[1], f"this checkout is {origin[0]}")
    pattern = re.compile(
        rf"(?<![\w.-])(?:github\.com[/:]|github:)?([\w-]+)/({re.escape(name)})(?![\w-])", re.IGNORECASE
    )
    for line in context.lines:
        for match in pattern.finditer(line.text):
            if same(f"{match[1]}/{match[2]}", current):
                yield Agrees(line.at)
            elif not (line.prose and denies(line.text)):
                yield Contradicts(quoted(line), expected, f"point readers to {current}, which has the fixes")
