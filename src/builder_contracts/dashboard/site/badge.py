"""Status badges as SVG."""

from __future__ import annotations

from html import escape

from builder_contracts.dashboard.analysis.status import BuilderStatus, ClauseState
from builder_contracts.dashboard.site.wording import format_date

# Dark enough that white text on them keeps a contrast of 4.5 to 1.
_COLORS = {
    ClauseState.KEPT: "#1b6e53",
    ClauseState.BROKEN: "#b3261e",
    ClauseState.UNPROVEN: "#8a5a00",
    ClauseState.WAIVED: "#5b5ea6",
    ClauseState.UNKNOWN: "#5f6368",
}
_SYMBOLS = {
    ClauseState.KEPT: "✓",
    ClauseState.BROKEN: "✕",
    ClauseState.UNPROVEN: "?",
    ClauseState.WAIVED: "~",
    ClauseState.UNKNOWN: "…",
}
# The average advance of Verdana at 11 px; textLength makes the rest fit.
_ADVANCE = 6.9


def format_message(builder: BuilderStatus) -> str:
    """The words of a badge: the state, how many, the rung if the class has one, the date of the oldest evidence."""
    words = _format_counts(builder)
    rung = f" · {builder.rung.value}" if builder.rung else ""
    # A static image cannot go stale by itself, so it carries the date.
    oldest = "never reported" if builder.oldest is None else format_date(builder.oldest)[4:-5]
    return f"{words}{rung} · {oldest}"


def _format_counts(builder: BuilderStatus) -> str:
    counts = builder.counts
    unproven = counts[ClauseState.UNPROVEN] - builder.host_limits
    words: list[tuple[int, str]]
    match builder.state:
        case ClauseState.UNKNOWN:
            return "unknown"
        case ClauseState.BROKEN:
            words = [(counts[ClauseState.BROKEN], "broken")]
        case ClauseState.UNPROVEN:
            words = [(unproven, "unproven"), (counts[ClauseState.UNKNOWN], "unknown")]
        case ClauseState.KEPT | ClauseState.WAIVED:
            words = [(counts[ClauseState.KEPT], "kept")]
    total = sum(counts.values())
    # Where the host can show nothing at all, nothing is kept.
    shown = [(count, word) for count, word in words if count] or [(0, "kept")]
    parts = [f"{word} {count}/{total}" for count, word in shown]
    if counts[ClauseState.WAIVED] and builder.state is ClauseState.WAIVED:
        parts.append(f"{counts[ClauseState.WAIVED]} waived")
    if builder.host_limits and builder.state is not ClauseState.BROKEN:
        parts.append(f"{builder.host_limits} host limit{'' if builder.host_limits == 1 else 's'}")
    return ", ".join(parts)


def draw_badge(builder: BuilderStatus) -> str:
    """The badge of a class."""
    left, right = builder.builder[:60], f"{_SYMBOLS[builder.state]} {format_message(builder)}"
    a, b = round(len(left) * _ADVANCE) + 12, round(len(right) * _ADVANCE) + 12
    label = escape(f"{left}: {format_message(builder)}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{a + b}" height="20" role="img" aria-label="{label}">'
        f"<title>{label}</title>"
        f'<clipPath id="r"><rect width="{a + b}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{a}" height="20" fill="#3c4043"/>'
        f'<rect x="{a}" width="{b}" height="20" fill="{_COLORS[builder.state]}"/></g>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{a / 2}" y="14" textLength="{a - 12}">{escape(left)}</text>'
        f'<text x="{a + b / 2}" y="14" textLength="{b - 12}">{escape(right)}</text></g></svg>\n'
    )
