"""The night in Markdown, for the page of a CI job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from builder_contracts.dashboard.analysis.report import (
    ClassReport,
    ClauseReport,
    Incident,
    Morning,
    Report,
    State,
)
from builder_contracts.dashboard.history.series import DAY_MS, Book
from builder_contracts.dashboard.nightly.markdown import code
from builder_contracts.dashboard.site import wording
from builder_contracts.dashboard.site.urls import clause_page

_SYMBOLS = {
    State.KEPT: "✅",
    State.BROKEN: "❌",
    State.UNPROVEN: "❔",
    State.WAIVED: "〰️",
    State.UNKNOWN: "⚪",
}
_LISTED = 25


def summary(report: Report, book: Book, site: str = "") -> str:
    """All environments. ``site`` is the dashboard's address, empty where it has none."""
    lines = ["# Builder contracts", ""]
    if report.simulated:
        lines += ["**Simulated data.** These nights never were.", ""]
    if not report.mornings:
        lines += ["The history is empty: nothing has reported yet.", ""]
    for morning in report.mornings:
        lines += _morning(morning, book, site)
    return "\n".join(lines)


def _morning(morning: Morning, book: Book, site: str) -> Iterator[str]:
    yield f"## {code(morning.environment)}: night of {wording.date_words(morning.night * DAY_MS)}"
    yield ""
    if morning.missed:
        yield f"**{wording.missed(morning.missed)}**"
        yield ""
    yield "| class | now | kept | broken | unproven | waived | unknown | rung | image |"
    yield "|---|---|--:|--:|--:|--:|--:|---|---|"
    for one in morning.classes:
        yield _row(one, morning)
    yield ""
    when = wording.which_night(morning.missed)
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
        ("No fresh evidence", +Counter({one.builder: one.counts[State.UNKNOWN] for one in morning.classes})),
    ):
        if counts:
            yield f"### {title}"
            yield ""
            for builder, count in counts.items():
                yield f"- {code(builder)}: {count} clause{'' if count == 1 else 's'}"
            yield ""
    if not morning.incidents:
        whole = all(one.state in (State.KEPT, State.WAIVED) for one in morning.classes)
        yield "Nothing is broken." if whole else "Nothing was seen broken; not everything was seen."
        yield ""


def _row(one: ClassReport, morning: Morning) -> str:
    counts = one.counts
    numbers = " | ".join(
        str(counts[state])
        for state in (State.KEPT, State.BROKEN, State.UNPROVEN, State.WAIVED, State.UNKNOWN)
    )
    rung = one.rung.value if one.rung else ""
    late = "" if one.run.night == morning.night else ", did not report"
    image = code(wording.short(one.run.image_digest)) if one.run.image_digest else "not known"
    # Inside a table a bar ends the cell even in code.
    name = code(one.builder).replace("|", "\\|")
    return f"| {name} | {_SYMBOLS[one.state]} {one.state.value}{late} | {numbers} | {rung} | {image} |"


def _incident(incident: Incident, book: Book, site: str) -> Iterator[str]:
    at = wording.time_words(incident.change.after.run.started)
    yield f"**{code(incident.builder)}**, since the run of {at}. {suspicion(incident)}"
    yield ""
    yield from _list(incident.clauses, book, site)
    yield ""


def suspicion(incident: Incident) -> str:
    """Where to look first, with what it quotes from reports as code."""
    return wording.suspicion(incident.change, incident.clauses, code)


def _list(clauses: Sequence[ClauseReport], book: Book, site: str) -> Iterator[str]:
    for one in clauses[:_LISTED]:
        yield line(one, book, site)
    if len(clauses) > _LISTED:
        yield f"- and {len(clauses) - _LISTED} more"


def line(one: ClauseReport, book: Book, site: str) -> str:
    """One clause as an item of a list, linked to its page where the site has an address."""
    name = code(one.clause.id)
    if site:
        name = f"[{name}]({site.rstrip('/')}/{clause_page(one.clause)}.html)"
    promised, likely = book.text(one.last.promised), book.text(one.last.likely)
    told = code(book.text(one.last.seen))
    if one.state is not State.KEPT and promised:
        told = f"promised {code(promised)}, seen {told}"
    return f"- {name}: {told}" + (f", likely {code(likely)}" if likely else "")
