"""The table of rules. Each file of an area registers its rule, with the words that select the lines it reads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from builder_contracts.contract.model import Contract
from builder_contracts.truth.checkout_scan import SearchWords
from builder_contracts.truth.finding import RuleResult
from builder_contracts.truth.platform import AREAS, Platform
from builder_contracts.truth.rule_context import RuleContext

Check: TypeAlias = Callable[[RuleContext], Iterator[RuleResult]]
Scope: TypeAlias = Literal["own", "any"]
"""``own``: the rule is about the platform's own repository only. ``any``: about every repository."""
Search: TypeAlias = Callable[[Platform, Sequence[Contract]], SearchWords]


@dataclass(frozen=True)
class Rule:
    """A static check. ``compares`` is the first sentence of its file; ``words`` is None if it needs no lines."""

    id: str
    scope: Scope
    check: Check
    compares: str
    words: Search | None

    @property
    def area(self) -> str:
        return self.id.partition("/")[0]


RULES: dict[str, Rule] = {}
"""Every rule by its id, AREA/NAME; complete once builder_contracts.truth.rules is imported."""


def rule(clause: str, *, scope: Scope, words: Search | None = None) -> Callable[[Check], Check]:
    """Register a check as the rule of a clause. The docstring of its file states what it compares."""

    def register(check: Check) -> Check:
        document = (sys.modules[check.__module__].__doc__ or "").partition("\n\n")[0]
        if clause in RULES or clause.partition("/")[0] not in AREAS or not document.startswith("Compares "):
            raise ValueError(
                f"{check.__module__}: {clause} is registered twice, of no area, or not described"
            )
        RULES[clause] = Rule(clause, scope, check, " ".join(document.split()), words)
        return check

    return register


def build_search_words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    """Collect the words that the rules need lines or pages of."""
    parts = [rule.words(platform, contracts) for rule in RULES.values() if rule.words is not None]
    return SearchWords(
        tuple(dict.fromkeys(word for part in parts for word in part.lines if word)),
        tuple(dict.fromkeys(word for part in parts for word in part.pages)),
        frozenset().union(*(part.keep for part in parts)),
    )
