"""Compares lines of primary files and names of workflows with the retired names; an input, option, host or
namespace of that name is not an identity.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from builder_contracts.contract.model import Contract
from builder_contracts.truth.checkout_scan import SearchWords
from builder_contracts.truth.finding import Absent, Contradicts, Quote, RuleResult
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.prose import denies
from builder_contracts.truth.rule_context import RuleContext, declared, quoted
from builder_contracts.truth.rules.registry import rule

_BEGINS_TEXT = re.compile(r"""(?:=\s*["']|["']{3})$""")


def words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    del contracts
    return SearchWords(lines=tuple(platform.area("identity").get("retired", default=[])))


@rule("identity/retired-names", scope="own", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("identity")
    exact = {surface.at for surface in context.model.surfaces if surface.exact}
    exact_lines = {(at.file, at.line) for at in exact}
    used = False
    for index, name in enumerate(facts.get("retired")):
        for line in context.lines:
            if line.at.file not in context.primary or (line.at.file, line.at.line) in exact_lines:
                continue
            if _is_identity(line.text, name) and not (line.prose and denies(line.text)):
                used = True
                fix = f"use {facts.get('name')}, or mark the name as former"
                yield Contradicts(
                    quoted(line), declared(facts, "retired", index, says=f"retired: {name}"), fix
                )
        for surface in context.model.surfaces:
            if surface.kind == "workflow name" and _is_identity(surface.text, name):
                used = True
                expected = declared(facts, "retired", index, says=f"retired: {name}")
                yield Contradicts(
                    Quote(surface.at, f"workflow name: {surface.text}"), expected, "rename the workflow"
                )
    if not used:
        yield Absent(f"no retired names in {len(context.primary & context.model.paths)} primary files")


def _is_identity(text: str, name: str) -> bool:
    """Whether a name refers to the platform, not to an input, an option, a host or a namespace."""
    pattern = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])(?!\.\w)", re.IGNORECASE)
    for match in pattern.finditer(text):
        after, before = text[match.end() :], text[: match.start()]
        # "NAME: what it is" at the beginning of a text presents something; elsewhere NAME: is a key.
        begins_text = _BEGINS_TEXT.search(before) is not None
        is_key = not begins_text and re.match(r"[\"'`]?\s*[:=](?!=)", after) is not None
        is_use = (
            re.search(
                r"(inputs\.|--|://|namespace\S*[\s:=\"'`]+|-n[\s=]+|\$\{\{?\s*)$", before, re.IGNORECASE
            )
            is not None
        )
        if not is_key and not is_use:
            return True
    return False
