"""Nights in a row as SVG: each verdict has its own color, symbol and height."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from markupsafe import Markup, escape

from builder_contracts.dashboard.site.wording import format_nights

_NAMES = {"k": "kept", "w": "waived", "u": "unproven", "b": "broken", "-": "no run"}
# In cells too narrow for a symbol the height shows the verdict: (top, height) of 20.
_HEIGHTS = {"k": (9, 9), "w": (7, 11), "u": (4, 14), "b": (2, 16)}
_LETTERS = {name: letter for letter, name in _NAMES.items()}
_CELL = 16
_WIDTH = 960
_SYMBOL = 11
_LONGEST = 370


def draw_strip(nights: Sequence[dict[str, Any]]) -> Markup:
    """One cell per night with its symbol: ``{"night": date, "verdict": name or None}``, oldest first."""
    letters = [_LETTERS[night["verdict"] or "no run"] for night in nights]
    stretches = [(letter, len(list(same))) for letter, same in groupby(letters)]
    cells = list(_cells(stretches, nights[0]["night"] if nights else "1970-01-01"))
    return _svg("strip", cells, stretches, _CELL * len(nights))


def draw_timeline(stretches: Sequence[tuple[str, int]], first: str) -> Markup:
    """All nights of a clause, as stretches of one letter; the oldest of very many are omitted."""
    shown = list(stretches)
    start = date.fromisoformat(first)
    # The clause did not exist yet.
    while len(shown) > 1 and (
        shown[0][0] == "-" or sum(count for _, count in shown) - shown[0][1] >= _LONGEST
    ):
        start += timedelta(days=shown[0][1])
        shown = shown[1:]
    total = sum(count for _, count in shown)
    if total * _CELL <= _WIDTH:
        cells = list(_cells(shown, start.isoformat()))
        return _svg("strip", cells, shown, _CELL * total)
    return _svg("strip wide", list(_bars(shown, start, _WIDTH / total)), shown, _WIDTH)


def _svg(kind: str, parts: Sequence[str], stretches: Sequence[tuple[str, int]], width: float) -> Markup:
    summary = ", ".join(f"{_NAMES[letter]} {format_nights(count)}" for letter, count in stretches[-12:])
    before = "…, " if len(stretches) > 12 else ""
    label = escape(f"Oldest first: {before}{summary}")
    # Built from numbers and fixed words only.
    return Markup(  # noqa: S704
        f'<svg class="{kind}" viewBox="0 0 {width:g} 20" preserveAspectRatio="xMinYMid" role="img" aria-label="{label}" width="{width:g}">'
        f"{''.join(parts)}</svg>"
    )


def _cells(stretches: Sequence[tuple[str, int]], first: str) -> Iterator[str]:
    night, at = date.fromisoformat(first), 0
    for letter, count in stretches:
        name = _NAMES[letter]
        for _ in range(count):
            yield f'<g transform="translate({at} 0)"><title>{night}: {name}</title>'
            if letter == "-":
                yield '<rect class="cell none" x="6" y="9" width="4" height="2"/></g>'
            else:
                yield f'<rect class="cell {name}" x=".5" y="2" width="15" height="16" rx="2.5"/>'
                yield f'<use class="mark" href="#s-{name}" x="2.5" y="4.5" width="11" height="11"/></g>'
            night += timedelta(days=1)
            at += _CELL


def _bars(stretches: Sequence[tuple[str, int]], start: date, scale: float) -> Iterator[str]:
    night, at = start, 0.0
    for letter, count in stretches:
        width = count * scale
        until = night + timedelta(days=count - 1)
        if letter != "-":
            name, (top, height) = _NAMES[letter], _HEIGHTS[letter]
            yield f"<g><title>{night} to {until}: {name}, {format_nights(count)}</title>"
            box = f'x="{at:.2f}" y="{top}" width="{max(width - 0.5, 1.2):.2f}" height="{height}"'
            yield f'<rect class="cell {name}" {box}/>'
            if width >= _SYMBOL + 3:
                place = f'x="{at + width / 2 - _SYMBOL / 2:.1f}" y="{top + height / 2 - _SYMBOL / 2:.1f}"'
                yield f'<use class="mark" href="#s-{name}" {place} width="{_SYMBOL}" height="{_SYMBOL}"/>'
            yield "</g>"
        night = until + timedelta(days=1)
        at += width
