"""Classify sentences: about the past, about intentions, or stating a fact.

It matches words and does not understand language. If it is not sure, it reports nothing, and a rule that uses it
judges only sentences that name the subject of the rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

_DENIES = re.compile(
    r"\b(no longer|not|never|cannot|no|isn't|aren't|doesn't|don't|without|retired?|stale|removed?|replac\w+|"
    r"formerly|former|previous\w*|previously|old|older|legacy|historical\w*|deprecated|instead of|used to|was|were|"
    r"away from|closed|post-\w+|renamed|gone|obsolete|dead|unreachable|broken)\b",
    re.IGNORECASE,
)
_INTENDS = re.compile(
    r"\b(plan(ned|s)?|inten(t|ded|tion|ds)|will|would|should|goal|target|follow-through|follow-up|not yet|unverified|"
    r"proposed|migrating|progress|pending|future|wants?|verif(y|ied)|until|once|when|if|decide|experimental|optional(ly)?|"
    r"can be|could|may)\b",
    re.IGNORECASE,
)

_END = re.compile(r"(?<=[.!?;])\s+(?=[A-Z`*\[(])")


def denies(text: str) -> bool:
    """Whether the text is about the past or an absence, or against something."""
    return _DENIES.search(text) is not None


def denies_at(text: str, place: int) -> bool:
    """Whether ``denies`` holds for the sentence around a position of a line, without its neighbours."""
    begin = max((end.end() for end in _END.finditer(text, 0, place)), default=0)
    end = _END.search(text, place)
    return denies(text[begin : end.start() if end else len(text)])


def intends(text: str) -> bool:
    """Whether the text is about the future or is uncertain."""
    return _INTENDS.search(text) is not None


def names_any(text: str, words: Iterable[str]) -> str | None:
    """The first of the words that begins a word of the text, in any case."""
    lower = text.lower()
    for word in words:
        # Most texts do not hold the word at all, and that is found out fastest.
        begun = word.lower()
        if begun in lower and _beginning(begun).search(lower):
            return word
    return None


@cache
def _beginning(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z0-9]){re.escape(word)}")


def same(a: str, b: str) -> bool:
    """Whether two names differ in case, spaces and punctuation only."""
    return plain(a) == plain(b)


def plain(name: str) -> str:
    """A name without what people vary in it."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def spellings(name: str) -> list[str]:
    """Other notations of a CamelCase name."""
    parts = re.findall(r"[A-Z]+[a-z0-9]*|[a-z0-9]+", name)
    return list(dict.fromkeys([name, " ".join(parts), "-".join(parts), "_".join(parts)]))
