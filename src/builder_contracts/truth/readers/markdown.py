"""Read headings, sentences and tables of Markdown."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from builder_contracts.errors import Location
from builder_contracts.truth.model import Cell, DocumentationPage, Heading, Sentence, Table

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

# A sentence ends at a full stop that is followed by white space and something that can begin the next one.
_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`*\[(])")


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table")


def read_markdown(text: str, path: str) -> DocumentationPage:
    """Parse a page; code blocks are left out: they are examples, and other readers judge their lines."""
    headings: list[Heading] = []
    sentences: list[Sentence] = []
    tables: list[Table] = []
    tokens = _parser().parse(_without_front_matter(text))
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.type == "table_open":
            end = next(i for i in range(index, len(tokens)) if tokens[i].type == "table_close")
            tables.append(_table(tokens[index:end], path))
            index = end
        elif token.type == "heading_open":
            at = Location(path, (token.map or [0])[0] + 1)
            headings.append(Heading(_plain(tokens[index + 1]), int(token.tag[1:]), at))
            index += 2
        elif token.type == "inline":
            sentences += _sentences(token, path)
        index += 1
    return DocumentationPage(path, tuple(headings), tuple(sentences), tuple(tables))


def _without_front_matter(text: str) -> str:
    if not text.startswith("---\n"):
        return text
    end = text.find("\n---", 4)
    return "\n" * (text.count("\n", 0, end) + 1) + text[end + 4 :] if end > 0 else text


def _plain(token: Token) -> str:
    out: list[str] = []
    for child in token.children or ():
        if child.type in ("text", "code_inline"):
            out.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            out.append("\n")
    return "".join(out)


def _sentences(token: Token, path: str) -> list[Sentence]:
    first = (token.map or [0])[0] + 1
    sentences: list[Sentence] = []
    line = first
    whole = _plain(token)
    paragraph = " ".join(whole.split())
    for part in _END.split(whole):
        sentences.append(Sentence(" ".join(part.split()), Location(path, line), paragraph))
        line += part.count("\n")
    return [sentence for sentence in sentences if sentence.text]


def _table(tokens: list[Token], path: str) -> Table:
    headers: list[str] = []
    rows: list[tuple[Cell, ...]] = []
    row: list[Cell] = []
    line = 1
    for place, token in enumerate(tokens):
        if token.type == "tr_open":
            row, line = [], (token.map or [line - 1])[0] + 1
        elif token.type in ("th_open", "td_open"):
            row.append(Cell(" ".join(_plain(tokens[place + 1]).split()), Location(path, line)))
        elif token.type == "tr_close":
            if headers:
                rows.append(tuple(row))
            else:
                headers = [cell.text for cell in row]
    return Table(tuple(headers), tuple(rows))
