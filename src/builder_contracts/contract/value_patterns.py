"""Search a contract's patterns in values that a runner controls."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import PromiseError

if TYPE_CHECKING:
    import regex

SECONDS = 1.0
"""The most computing that one pattern may cost, however busy the machine is: a value can be made for which Python's ``re`` never ends."""

# regex reads other braces than those of a repeat as "nearly the same"; re reads them as braces.
_BRACE = re.compile(r"\\N\{[^}]*\}|\\.|\{(?!\d+\}|\d*,\d*\})", re.DOTALL)


class PatternTimeout(Exception):
    """A search that was given up; ``name`` is that of the value."""

    def __init__(self, pattern: re.Pattern[str], name: str) -> None:
        super().__init__(f"matching /{pattern.pattern}/ against {name} took longer than {SECONDS:g} s")
        self.name = name


def pattern(text: str, at: Pointer) -> re.Pattern[str]:
    """Compile a pattern that can fail: one that matches the empty string says nothing."""
    compiled = re.compile(text)
    if compiled.search(""):
        raise PromiseError(
            at,
            f"pattern {text!r} matches the empty string, so it promises nothing",
            "require at least one character",
        )
    return compiled


def _compiled(pattern: re.Pattern[str]) -> regex.Pattern[str]:
    # Imported late, because only a search needs it, and its import takes longer than reading a contract.
    import regex

    return regex.compile(_BRACE.sub(lambda brace: r"\{" if brace[0] == "{" else brace[0], pattern.pattern))


def search(text: str, pattern: re.Pattern[str], name: str) -> regex.Match[str] | None:
    """The first match in a text, which ``name`` names in messages. Raises PatternTimeout."""
    try:
        return _compiled(pattern).search(text, timeout=SECONDS)
    except TimeoutError:
        raise PatternTimeout(pattern, name) from None


def found_in(values: Mapping[str, str], pattern: re.Pattern[str]) -> list[str]:
    """The names of the values in which the pattern is found, in their order. Raises TooSlow."""
    searched = _compiled(pattern)
    until = time.thread_time() + SECONDS
    names = []
    for name, value in values.items():
        left = until - time.thread_time()
        try:
            if left > 0 and searched.search(value, timeout=left):
                names.append(name)
        except TimeoutError:
            left = 0
        if left <= 0:
            raise PatternTimeout(pattern, name)
    return names
