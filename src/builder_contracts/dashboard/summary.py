"""The night in Markdown, for the page of a CI job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from builder_contracts.dashboard import words
from builder_contracts.dashboard.address import clause_page
from builder_contracts.dashboard.markdown import code
from builder_contracts.dashboard.report import (
    BuilderStatus,
    ClauseState,
    ClauseStatus,
    HistoryReport,
    Incident,
    NightDigest,
)
from builder_contracts.dashboard.series import DAY_MS, HistorySnapshot

_SYMBOLS = {
    ClauseState.KEPT: "✅",
    ClauseState.BROKEN: "❌",
    ClauseState.UNPROVEN: "❔",
    ClauseState.WAIVED: "〰️",
    ClauseState.UNKNOWN: "⚪",
}
_LISTED = 25


def summary(report: HistoryReport, book: HistorySnapshot, site: str = "") -> str:
    """All environments. ``site`` is the dashboard's address, empty where it has none."""
    lines = ["# Builder contracts", ""]
    if report.simulated:
        lines += ["**Simulated data.** These nights never were.", ""]
    if not report.mornings:
        lines += ["The history is empty: nothing has reported yet.", ""]
    for morning in report.mornings:
        lines += _morning(morning, book, site)
    return "\n".join(lines)


def _morning(morning: NightDigest, book: HistorySnapshot, site: str) -> Iterator[str]:
    yield f"## {code(morning.environment)}: night of {words.date_words(morning.night * DAY_MS)}"
    yield ""
    if morning.missed:
        yield f"**{words.missed(morning.missed)}**"
        yield ""
    yield "| class | now | kept | broken | unproven | waived | unknown | rung | image |"
    yield "|---|---|--:|--:|--:|--:|--:|---|---|"
    for one in morning.classes:
        yield _row(one, morning)
    yield ""
    when = words.which_night(morning.missed)
    new = [one for one in morning.incidents if one.change.after.run.night == morning.night]
    old = [one for one in morning.incidents if one.change.after.run.night != morning.night]
    for title, incidents in ((f"Broke {when}", new), ("Still broken", old)):
        if incidents:
            yield f"### {title}"
            yield ""
            for incident in incidents:
                yield from _incident(incident, book, site)
    for title, clauses in (
        ("Newly green", morning.mended),
        ("Newly unproven", morning.unproven),
        ("Newly waived", morning.waived),
    ):
        if clauses:
            yield f"### {title}"
            yield ""
            yield from _list(clauses, book, site)
            yield ""
    for title, counts in (
        (f"Did not answer {when}", Counter(one.clause.builder for one in morning.unanswered)),
        (
            "No fresh evidence",
            +Counter({one.builder: one.counts[ClauseState.UNKNOWN] for one in morning.classes}),
        ),
    ):
        if counts:
            yield f"### {title}"
            yield ""
            for builder, count in counts.items():
                yield f"- {code(builder)}: {count} clause{'' if count == 1 else 's'}"
            yield ""
    if not morning.incidents:
        whole = all(one.state in (ClauseState.KEPT, ClauseState.WAIVED) for one in morning.classes)
        yield "Nothing is broken." if whole else "Nothing was seen broken; not everything was seen."
        yield ""


def _row(one: BuilderStatus, morning: NightDigest) -> str:
    counts = one.counts
    numbers = " | ".join(
        str(counts[state])
        for state in (
            ClauseState.KEPT,
            ClauseState.BROKEN,
            ClauseState.UNPROVEN,
            ClauseState.WAIVED,
            ClauseState.UNKNOWN,
        )
    )
    rung = one.rung.value if one.rung else ""
    late = "" if one.run.night == morning.night else ", did not report"
    image = code(words.short(one.run.image_digest)) if one.run.image_digest else "not known"
    # Inside a table a bar ends the cell even in code.
    name = code(one.builder).replace("|", "\\|")
    return f"| {name} | {_SYMBOLS[one.state]} {one.state.value}{late} | {numbers} | {rung} | {image} |"


def _incident(incident: Incident, book: HistorySnapshot, site: str) -> Iterator[str]:
    at = words.time_words(incident.change.after.run.started)
    yield f"**{code(incident.builder)}**, since the run of {at}. {suspicion(incident)}"
    yield ""
    yield from _list(incident.clauses, book, site)
    yield ""


def suspicion(incident: Incident) -> str:
    """Where to look first, with what it quotes from reports as code."""
    return words.suspicion(incident.change, incident.clauses, code)


def _list(clauses: Sequence[ClauseStatus], book: HistorySnapshot, site: str) -> Iterator[str]:
    for one in clauses[:_LISTED]:
        yield line(one, book, site)
    if len(clauses) > _LISTED:
        yield f"- and {len(clauses) - _LISTED} more"


def line(one: ClauseStatus, book: HistorySnapshot, site: str) -> str:
    """One clause as an item of a list, linked to its page where the site has an address."""
    name = code(one.clause.id)
    if site:
        name = f"[{name}]({site.rstrip('/')}/{clause_page(one.clause)}.html)"
    promised, likely = book.text(one.last.promised), book.text(one.last.likely)
    told = code(book.text(one.last.seen))
    if one.state is not ClauseState.KEPT and promised:
        told = f"promised {code(promised)}, seen {told}"
    return f"- {name}: {told}" + (f", likely {code(likely)}" if likely else "")
