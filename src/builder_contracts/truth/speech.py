"""How a sentence speaks of something: as gone, as intended, or as a fact.

A list of words, not an understanding of language: it errs on the side of silence, and a rule that uses it
judges only sentences that name what it is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

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


def denies(text: str) -> bool:
    """Whether the text speaks of the past, of an absence, or against something."""
    return _DENIES.search(text) is not None


def intends(text: str) -> bool:
    """Whether the text speaks of what is to come or is not certain."""
    return _INTENDS.search(text) is not None


def names_any(text: str, words: Iterable[str]) -> str | None:
    """The first of the words that begins a word of the text, in any case."""
    lower = text.lower()
    for word in words:
        if re.search(rf"(?<![a-z0-9]){re.escape(word.lower())}", lower):
            return word
    return None


def same(a: str, b: str) -> bool:
    """Whether two names differ in case, spaces and punctuation only."""
    return plain(a) == plain(b)


def plain(name: str) -> str:
    """A name without what people vary in it."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def spellings(name: str) -> list[str]:
    """How a CamelCase name is also written."""
    parts = re.findall(r"[A-Z]+[a-z0-9]*|[a-z0-9]+", name)
    return list(dict.fromkeys([name, " ".join(parts), "-".join(parts), "_".join(parts)]))
