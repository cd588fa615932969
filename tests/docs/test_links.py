"""Links and paths in the project's pages lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "AGENTS.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))

LINK = re.compile(r"\]\(([^)\s]+)\)")
# Paths from the top of the repository, as pages write them in code quotes.
PATH = re.compile(
    r"`((?:contracts|builders|canaries|src|script|tests|docs|benchmarks|\.ci|\.github)/[\w./-]*)`"
)


def without_code(text: str) -> str:
    return re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors that code hosts make of headings."""
    titles = re.findall(r"^#+ (.+)$", without_code(page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def lost(page: Path) -> list[str]:
    """Links of a page that lead to no file or no heading of this repository."""
    found = []
    text = re.sub(r"`[^`\n]*`", "", without_code(page.read_text("utf-8")))
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert lost(page) == []


# Pages about this repository; the others also name paths of their readers.
OURS = ("README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/dependencies.md", "docs/runners.md")


@pytest.mark.parametrize("page", [ROOT / name for name in OURS], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    named = PATH.findall(without_code(page.read_text("utf-8")))
    assert [path for path in named if not (ROOT / path).exists()] == []


def reachable(start: Path) -> set[Path]:
    """The pages that a reader comes to by links from one page, itself included."""
    seen: set[Path] = set()
    todo = [start]
    while todo:
        page = todo.pop()
        if page in seen or not page.is_file():
            continue
        seen.add(page)
        links = (link.partition("#")[0] for link in LINK.findall(without_code(page.read_text("utf-8"))))
        todo += [(page.parent / link).resolve() for link in links if link.endswith(".md") and ":" not in link]
    return seen


def test_every_page_is_reached_from_the_readme() -> None:
    lonely = set(PAGES) - reachable(ROOT / "README.md")
    assert sorted(str(page.relative_to(ROOT)) for page in lonely) == [], "link them from README.md, More"


def test_a_lost_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One title\n[a](#one-title) [b](#other) [c](gone.md) [d](https://example.org)\n", "utf-8"
    )
    assert lost(page) == ["#other", "gone.md"]
