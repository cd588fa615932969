"""Compares sentences about a provider with its role: stated, and not another's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from builder_contracts.contract.model import Contract
from builder_contracts.truth.checkout_scan import SearchWords
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.prose import denies, names_any
from builder_contracts.truth.rule_context import RuleContext, declared, excerpt
from builder_contracts.truth.rules.registry import rule


def words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    del contracts
    roles = platform.area("endpoints").get("roles", default={})
    return SearchWords(pages=tuple(role["named"] for role in roles.values()))


@rule("endpoints/roles", scope="own", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("endpoints")
    all_roles = facts.get("roles", default={})
    if not context.sentences:
        return
    names = {role["named"] for role in all_roles.values()}
    for name, role in all_roles.items():
        named = role["named"]
        expected = declared(facts, "roles", name, says=f"{named} is for: {'; '.join(role['for'])}")
        about = [s for s in context.sentences if names_any(s.text, [named])]
        stated = next((s.at for s in about if names_any(s.text, role["said_as"])), None)
        if stated is not None:
            yield Agrees(stated)
        else:
            actual = Quote(context.entrance, f"the documentation does not state what {named} is for")
            yield Contradicts(actual, expected, f"document the role of {named}")
        for sentence in about:
            only = not any(names_any(sentence.text, [other]) for other in names - {named})
            wrong = _said_of(named, role.get("never", []), sentence.text)
            if only and wrong and not names_any(sentence.text, role["said_as"]) and not denies(sentence.text):
                yield Contradicts(
                    Quote(sentence.at, excerpt(sentence.text)),
                    expected,
                    f"correct the sentence: {named} is not a {wrong}",
                )


def _said_of(named: str, words: Sequence[str], sentence: str) -> str | None:
    """The word that one part of a sentence says of a name. What only has the name, a folder for example, is not it."""
    if re.search(rf"\b(?:named|called)\s+{re.escape(named)}\b", sentence, re.IGNORECASE):
        return None
    parts = [part for part in re.split(r"[,;:]", sentence) if names_any(part, [named])]
    return next((word for part in parts if (word := names_any(part, words))), None)
