"""Compares sentences about availability with what is declared not to have it; the limit must be stated."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder_contracts.errors import Location
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.prose import intends, names_any
from builder_contracts.truth.rule_context import RuleContext, declared, excerpt
from builder_contracts.truth.rules.registry import rule

_HA = re.compile(r"\b(highly[ -]available|high[ -]availability|HA|fail(s|ed)? ?over|redundan\w+)\b")
_PRONOUN = re.compile(r"(It|This|They|These|Both|Neither)\b")
_NO_HA = re.compile(r"\b(not|no|without|lacks?|single|isn't|never)\b", re.IGNORECASE)


@rule("endpoints/high-availability", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("endpoints")
    if not context.sentences:
        return
    for role, provider in facts.get("not_highly_available", default={}).items():
        expected = declared(facts, "not_highly_available", role, says=f"{provider} is not highly available")
        stated: Location | None = None
        for sentence in context.sentences:
            # "It is not highly available" refers to the subject of the paragraph.
            about = sentence.paragraph if _PRONOUN.match(sentence.text) else sentence.text
            if not names_any(about, [provider]) or not _HA.search(sentence.text):
                continue
            if _NO_HA.search(sentence.text):
                stated = stated or sentence.at
            elif not intends(sentence.text):
                yield Contradicts(
                    Quote(sentence.at, excerpt(sentence.text)), expected, "state the limit instead"
                )
        if stated is not None:
            yield Agrees(stated)
        else:
            actual = Quote(
                context.entrance, f"the documentation does not state that {provider} is not highly available"
            )
            yield Contradicts(actual, expected, f"document what happens when {provider} is down")
