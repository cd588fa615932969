"""The night in Markdown, for the summary page of a CI job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from builder_contracts.dashboard.analysis.history_report import HistoryReport
from builder_contracts.dashboard.analysis.night_digest import Incident, NightDigest
from builder_contracts.dashboard.analysis.status import BuilderStatus, ClauseState, ClauseStatus
from builder_contracts.dashboard.history.series import DAY_MS, HistorySnapshot
from builder_contracts.dashboard.nightly.night_warnings import list_warnings
from builder_contracts.dashboard.site import wording
from builder_contracts.dashboard.site.urls import clause_page
from builder_contracts.reporting.markdown import code_span, table_cell

_SYMBOLS = {
    ClauseState.KEPT: "✅",
    ClauseState.BROKEN: "❌",
    ClauseState.UNPROVEN: "❔",
    ClauseState.WAIVED: "〰️",
    ClauseState.UNKNOWN: "⚪",
}
_LISTED = 25


def format_summary(report: HistoryReport, book: HistorySnapshot, site: str = "") -> str:
    """All environments. ``site`` is the dashboard's URL, empty if it has none."""
    lines = ["# Builder contracts", ""]
    if report.simulated:
        lines += ["**Simulated data.** These nights did not happen.", ""]
    if not report.mornings:
        lines += ["The history is empty; no class has reported yet.", ""]
    for morning in report.mornings:
        lines += _format_night(morning, book, site)
    if warnings := list(list_warnings(report)):
        lines += ["## Not shown", "", *(f"- {code_span(warning, 1000)}" for warning in warnings), ""]
    withdrawn = [builder for builder in report.classes if builder.withdrawn]
    if report.withdrawn or withdrawn:
        lines += ["## Withdrawn", "", "No contract has these anymore:", ""]
        lines += [
            f"- {code_span(f'{builder.builder} ({builder.environment})')}" for builder in report.withdrawn
        ]
        for builder in withdrawn:
            names = format_names([clause.clause.local_id for clause in builder.withdrawn])
            lines.append(f"- {code_span(f'{builder.builder} ({builder.environment})')}: {names}")
        lines.append("")
    return "\n".join(lines)


def _format_night(morning: NightDigest, book: HistorySnapshot, site: str) -> Iterator[str]:
    yield f"## {code_span(morning.environment)}: night of {wording.format_date(morning.night * DAY_MS)}"
    yield ""
    if morning.missed:
        yield f"**{wording.describe_missed(morning.missed)}**"
        yield ""
    yield "| class | now | kept | broken | unproven | waived | unknown | rung | image |"
    yield "|---|---|--:|--:|--:|--:|--:|---|---|"
    for status in morning.classes:
        yield _format_row(status, morning)
    yield ""
    when = wording.name_night(morning.missed)
    new = [incident for incident in morning.incidents if incident.change.after.run.night == morning.night]
    old = [incident for incident in morning.incidents if incident.change.after.run.night != morning.night]
    for title, incidents in ((f"Broke {when}", new), ("Still broken", old)):
        if incidents:
            yield f"### {title}"
            yield ""
            for incident in incidents:
                yield from _format_incident(incident, book, site)
    for title, clauses in (
        ("Kept again", morning.mended),
        ("Newly unproven", morning.unproven),
        ("Still unproven", _still_unproven(morning, limits=False)),
        ("Limits of the host", _still_unproven(morning, limits=True)),
        ("Newly waived", morning.waived),
    ):
        if clauses:
            yield f"### {title}"
            yield ""
            yield from _format_list(clauses, book, site)
            yield ""
    for title, counts in (
        (f"No result {when}", Counter(clause.clause.builder for clause in morning.unanswered)),
        (
            "Stale evidence",
            Counter(clause.clause.builder for clause in morning.stale),
        ),
    ):
        if counts:
            yield f"### {title}"
            yield ""
            for builder, count in counts.items():
                yield f"- {code_span(builder)}: {count} clause{'' if count == 1 else 's'}"
            yield ""
    if unreported := [status for status in morning.classes if status.unreported]:
        yield "### Never reported"
        yield ""
        for status in unreported:
            yield f"- {code_span(status.builder)}: {format_names(status.unreported)}"
        yield ""
    if not morning.incidents:
        whole = all(status.state in (ClauseState.KEPT, ClauseState.WAIVED) for status in morning.classes)
        yield (
            "No clause is broken."
            if whole
            else "No clause is known to be broken, but some have no current result."
        )
        yield ""


def _still_unproven(morning: NightDigest, *, limits: bool) -> list[ClauseStatus]:
    new = {clause.clause.id for clause in morning.unproven}
    unproven = [
        clause
        for status in morning.classes
        for clause in status.clauses
        if clause.state is ClauseState.UNPROVEN and clause.clause.id not in new
    ]
    return [clause for clause in unproven if clause.host_limit is limits]


def _format_row(builder: BuilderStatus, morning: NightDigest) -> str:
    counts = builder.counts
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
    rung = builder.rung.value if builder.rung else ""
    late = (
        ""
        if builder.run and builder.run.night == morning.night
        else ", no report"
        if builder.run
        else ", never reported"
    )
    digest = wording.shorten_digest(builder.run.image_digest) if builder.run else ""
    image = code_span(digest) if digest else "unknown"
    # In a table a bar ends the cell, even inside code.
    name = table_cell(builder.builder)
    return (
        f"| {name} | {_SYMBOLS[builder.state]} {builder.state.value}{late} | {numbers} | {rung} | {image} |"
    )


def _format_incident(incident: Incident, book: HistorySnapshot, site: str) -> Iterator[str]:
    at = wording.format_time(incident.change.after.run.started)
    yield f"**{code_span(incident.builder)}**, broken since the run of {at}. {format_suspicion(incident)}"
    yield ""
    yield from _format_list(incident.clauses, book, site)
    yield ""


def format_suspicion(incident: Incident) -> str:
    """The first thing to check, with quotes from reports as code."""
    return wording.describe_suspicion(incident.change, incident.clauses, code_span)


def _format_list(clauses: Sequence[ClauseStatus], book: HistorySnapshot, site: str) -> Iterator[str]:
    for clause in clauses[:_LISTED]:
        yield format_clause(clause, book, site)
    if len(clauses) > _LISTED:
        yield f"- and {len(clauses) - _LISTED} more"


def format_clause(clause: ClauseStatus, book: HistorySnapshot, site: str) -> str:
    """One clause as a list item, linked to its page if the site has a URL."""
    name = code_span(clause.clause.id)
    if site:
        name = f"[{name}]({site.rstrip('/')}/{clause_page(clause.clause)}.html)"
    promised, likely = book.text(clause.last.promised), book.text(clause.last.likely)
    observed = code_span(book.text(clause.last.seen))
    if clause.state is not ClauseState.KEPT and promised:
        observed = f"promised {code_span(promised)}, observed {observed}"
    return f"- {name}: {observed}" + (f"; likely cause {code_span(likely)}" if likely else "")


def format_names(clauses: Sequence[str]) -> str:
    """The first of these names, and how many more there are."""
    more = f" and {len(clauses) - _LISTED} more" if len(clauses) > _LISTED else ""
    return ", ".join(code_span(name) for name in clauses[:_LISTED]) + more
