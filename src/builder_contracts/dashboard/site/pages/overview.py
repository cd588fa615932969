"""The first page: every builder class, last night's breakages, and clauses that are still broken."""

from __future__ import annotations

from itertools import groupby
from urllib.parse import urlencode

from builder_contracts.dashboard.analysis.history_report import HistoryReport
from builder_contracts.dashboard.analysis.night_digest import Incident, NightDigest
from builder_contracts.dashboard.analysis.status import (
    BuilderStatus,
    ClauseState,
)
from builder_contracts.dashboard.history.series import DAY_MS, HistorySnapshot, format_instant, format_night
from builder_contracts.dashboard.site import urls, wording
from builder_contracts.dashboard.site.pages.parts import (
    LIST_LIMIT,
    View,
    build_ages,
    build_brief,
    build_head,
    build_list,
    build_run,
    by_urgency,
)
from builder_contracts.verdict import Rung

STRIP = 21
UNPROVEN_LIMIT = 3


def build_overview_page(report: HistoryReport, book: HistorySnapshot) -> View:
    """The overview."""
    return {
        **build_head(report),
        "environments": [_build_environment(morning, report, book) for morning in report.mornings],
        "withdrawn": [
            {"environment": builder.environment, "builder": builder.builder, **build_last_run(builder)}
            for builder in report.withdrawn
        ],
        "withdrawn_clauses": [
            {
                "environment": builder.environment,
                "builder": builder.builder,
                "clauses": [clause.clause.local_id for clause in builder.withdrawn],
            }
            for builder in report.classes
            if builder.withdrawn
        ],
    }


def _build_environment(morning: NightDigest, report: HistoryReport, book: HistorySnapshot) -> View:
    new = [incident for incident in morning.incidents if incident.change.after.run.night == morning.night]
    old = [incident for incident in morning.incidents if incident.change.after.run.night != morning.night]
    states = [builder.state for builder in morning.classes]
    return {
        "environment": morning.environment,
        "night": format_night(morning.night),
        "night_words": wording.format_date(morning.night * DAY_MS),
        "missed": morning.missed,
        "missed_words": wording.describe_missed(morning.missed),
        "which_night": wording.name_night(morning.missed),
        "states": {state.value: states.count(state) for state in ClauseState},
        "classes": [
            _build_card(builder, morning, report, book) for builder in sorted(morning.classes, key=by_urgency)
        ],
        "incidents": [_build_incident(incident, book, morning.night) for incident in new[:LIST_LIMIT]],
        "still_broken": [
            _build_incident(incident, book, morning.night)
            for incident in sorted(old, key=_broken_since)[:LIST_LIMIT]
        ],
        "mended": build_list(morning.mended, book),
        "unproven": build_list(morning.unproven, book),
        "waived": build_list(morning.waived, book),
        "unanswered": build_list(morning.unanswered, book),
        "new": build_list(morning.new, book),
        "silent": [{"builder": builder.builder, **build_last_run(builder)} for builder in morning.silent],
        "never_reported": [
            {"builder": builder.builder, "clauses": len(builder.unreported)}
            for builder in morning.never_reported
        ],
        "standing": build_list(morning.standing, book, morning.night, most=8),
        "stale": [
            {"builder": builder, "clauses": len(list(clauses))}
            for builder, clauses in groupby(morning.stale, key=lambda clause: clause.clause.builder)
        ],
    }


def _broken_since(incident: Incident) -> int:
    return incident.change.after.run.started


def build_last_run(builder: BuilderStatus) -> View:
    """When a class reported last."""
    if builder.run is None:
        return {"last": None, "last_words": ""}
    return {
        "last": format_instant(builder.run.started),
        "last_words": wording.format_time(builder.run.started),
    }


def _build_card(
    builder: BuilderStatus, morning: NightDigest, report: HistoryReport, book: HistorySnapshot
) -> View:
    counts, rungs = builder.counts, builder.rungs
    # The class is known for as long as its freshest clause is.
    expires = max((clause.expires for clause in builder.clauses), default=0)
    broke = [clause for clause in morning.broke if clause.clause.builder == builder.builder]
    unanswered = [clause for clause in morning.unanswered if clause.clause.builder == builder.builder]
    red = [incident for incident in morning.incidents if incident.builder == builder.builder]
    # What could be proven here comes before what this host can never prove.
    unproven = sorted(
        (clause for clause in builder.clauses if clause.state is ClauseState.UNPROVEN),
        key=lambda clause: clause.host_limit,
    )
    return {
        "builder": builder.builder,
        "state": builder.state.value,
        "counts": {state.value: counts[state] for state in ClauseState},
        "total": sum(counts.values()),
        "rung": builder.rung.value if builder.rung else None,
        "rung_name": wording.RUNG_NAMES[builder.rung] if builder.rung else "",
        "rungs": [
            {"rung": rung.value, "name": rung.name.lower(), "count": rungs[rung]}
            for rung in Rung
            if rungs[rung]
        ],
        "broke": len(broke),
        "unanswered": len(unanswered),
        # The newest incident if it is new, else the oldest; incidents come latest first.
        "incident": incident_anchor(red[0 if broke else -1]) if red else None,
        "red_for": wording.format_nights(morning.night - red[-1].change.after.run.night + 1) if red else "",
        "unproven": [
            {**build_brief(clause, book), "host_limit": clause.host_limit}
            for clause in unproven[:UNPROVEN_LIMIT]
        ],
        "more_unproven": max(0, len(unproven) - UNPROVEN_LIMIT),
        "host_limits": builder.host_limits,
        "run": build_run(builder.run) if builder.run else None,
        "last_night": builder.run is not None and builder.run.night == morning.night,
        "expires": expires,
        "ages": build_ages(builder),
        "strip": build_strip(builder, morning.night, report),
        "unreported": list(builder.unreported),
        "grid": "grid.html#" + urlencode({"class": builder.builder, "environment": builder.environment}),
        "badge": f"{urls.class_file('badges', builder.environment, builder.builder)}.svg",
    }


def build_strip(builder: BuilderStatus, night: int, report: HistoryReport) -> list[View]:
    """The worst verdict of each of the last nights, oldest first."""
    first = report.nights[0] if report.nights else night
    return [
        {"night": format_night(at), "verdict": builder.nights[at].value if at in builder.nights else None}
        for at in range(max(first, night - STRIP + 1), night + 1)
    ]


def _build_incident(incident: Incident, book: HistorySnapshot, night: int) -> View:
    change = incident.change
    return {
        "id": incident_anchor(incident),
        "builder": incident.builder,
        "at": format_instant(change.after.run.started),
        "at_words": wording.format_time(change.after.run.started),
        "nights": night - change.after.run.night + 1,
        "suspects": list(change.suspects),
        "suspicion": wording.describe_suspicion(change, incident.clauses),
        "before": build_run(change.before.run) if change.before else None,
        "before_verdict": change.before.verdict.value if change.before else None,
        "after": build_run(change.after.run),
        "unproven_nights": change.unproven,
        "clauses": [build_brief(clause, book) for clause in incident.clauses[:LIST_LIMIT]],
        "more": max(0, len(incident.clauses) - LIST_LIMIT),
    }


def incident_anchor(incident: Incident) -> str:
    """The anchor of an incident on the overview."""
    run = incident.change.after.run
    return urls.anchor(f"{incident.environment}/{incident.builder}/{run.started}")
