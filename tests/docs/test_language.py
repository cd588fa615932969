"""Phrases that slow readers down, kept out of the pages and out of the first lines of modules."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / name
    for name in ("README.md", "AGENTS.md", "CONTRIBUTING.md", "CHANGELOG.md", "builders/README.md")
]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
MODULES = sorted((ROOT / "src").rglob("*.py"))

BETTER = {
    r"\b(?<![Tt]here )(is|are|was|were) (no|none)\b(?! longer)": "negate the verb: 'is not a date'",
    r"\b[Ww]here (none|nothing|nobody)\b": "'if no engine responds'",
    r"\balso (after|under|while|where|when)\b": "'even after'",
    r"\bbeside\b": "'next to' or 'in parallel with'",
    r"(?<!-)\banew\b": "'again'",
    r"\b[Ww]hoever\b": "'anyone who', or address the reader",
    r"\btaken for\b": "'treated as'",
    r"\b[Mm]end\b": "'fix'",
    r"\bside by side\b": "'in parallel'",
}
"""Patterns, and what to write instead."""

FIRST_WORDS = re.compile(r"(What|Where|Which|Why|That|Of|Who|How)\b")


def without_code(text: str) -> str:
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def slow(text: str) -> list[str]:
    return [
        f"{match[0]!r}: write {better}"
        for pattern, better in BETTER.items()
        for match in re.finditer(pattern, without_code(text))
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_has_no_slow_phrase(page: Path) -> None:
    assert slow(page.read_text("utf-8")) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_a_module_opens_with_a_thing_or_an_act(module: Path) -> None:
    first = ast.get_docstring(ast.parse(module.read_text("utf-8"))) or ""
    assert not FIRST_WORDS.match(first)
    assert slow(first) == []


def test_a_slow_phrase_is_reported() -> None:
    assert slow("Where none answers, x is no date.\n`beside` is code.\n") == [
        "'is no': write negate the verb: 'is not a date'",
        "'Where none': write 'if no engine responds'",
    ]
    assert slow("There are no contracts, and the name is no longer in use.") == []
    assert FIRST_WORDS.match("What a survey looks at")
