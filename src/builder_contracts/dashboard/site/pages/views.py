"""What each page shows, as plain data: the same that stands as JSON beside the page."""

from __future__ import annotations

import shlex
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from builder_contracts.dashboard.analysis.report import (
    Change,
    ClassReport,
    ClauseReport,
    Flake,
    Incident,
    Morning,
    Report,
    Segment,
    State,
    by_night,
)
from builder_contracts.dashboard.history.series import DAY_MS, Book, Clause, Point, Reading, Run, day, instant
from builder_contracts.dashboard.site import rerun_command, urls, wording
from builder_contracts.evidence.verdict import Outcome, Rung

View = dict[str, Any]

CODES = {
    Outcome.KEPT: "k",
    Outcome.WAIVED: "w",
    Outcome.UNPROVEN: "u",
    Outcome.BROKEN: "b",
}
"""One letter a verdict in the run-length strings of the grid; a night without an answer is ``-``."""

STRIP = 21
_LISTED = 40
_CLAIM = "claim of this kernel: "
"""How a kernel canary's witness begins that names the rung of the kernel's own claim ladder."""
_SEGMENTS = 100


def index(report: Report, book: Book) -> View:
    """The morning page."""
    return {
        **_head(report),
        "environments": [_environment(morning, report, book) for morning in report.mornings],
    }


def _head(report: Report) -> View:
    return {
        "as_of": instant(report.now),
        "as_of_words": wording.time_words(report.now),
        "simulated": report.simulated,
        "stale_days": report.policy.stale_days,
        "sustained_nights": report.policy.sustained_nights,
    }


def _environment(morning: Morning, report: Report, book: Book) -> View:
    new = [one for one in morning.incidents if one.change.after.run.night == morning.night]
    old = [one for one in morning.incidents if one.change.after.run.night != morning.night]
    states = [one.state for one in morning.classes]
    return {
        "environment": morning.environment,
        "night": day(morning.night),
        "night_words": wording.date_words(morning.night * DAY_MS),
        "missed": morning.missed,
        "missed_words": wording.missed(morning.missed),
        "which_night": wording.which_night(morning.missed),
        "states": {state.value: states.count(state) for state in State},
        "classes": [_card(one, morning, report) for one in sorted(morning.classes, key=_urgency)],
        "incidents": [_incident(one, book, morning.night) for one in new[:_LISTED]],
        "still_broken": [_incident(one, book, morning.night) for one in sorted(old, key=_oldest)[:_LISTED]],
        "mended": _listed(morning.mended, book),
        "unproven": _listed(morning.unproven, book),
        "waived": _listed(morning.waived, book),
        "unanswered": _listed(morning.unanswered, book),
        "new": _listed(morning.new, book),
        "silent": [
            {
                "builder": one.builder,
                "last": instant(one.run.started),
                "last_words": wording.time_words(one.run.started),
            }
            for one in morning.silent
        ],
        "standing": _listed(morning.standing, book, morning.night, most=8),
        "stale": [
            {"builder": builder, "clauses": len(list(mine))}
            for builder, mine in groupby(morning.stale, key=lambda one: one.clause.builder)
        ],
    }


_URGENT = (State.BROKEN, State.UNPROVEN, State.UNKNOWN, State.WAIVED, State.KEPT)


def _urgency(one: ClassReport) -> tuple[int, str]:
    return _URGENT.index(one.state), one.builder


def _oldest(incident: Incident) -> int:
    return incident.change.after.run.started


def _card(one: ClassReport, morning: Morning, report: Report) -> View:
    counts, rungs = one.counts, one.rungs
    # The class speaks for as long as its freshest clause does.
    expires = max((clause.expires for clause in one.clauses), default=0)
    broke = [clause for clause in morning.broke if clause.clause.builder == one.builder]
    unanswered = [clause for clause in morning.unanswered if clause.clause.builder == one.builder]
    red = [incident for incident in morning.incidents if incident.builder == one.builder]
    return {
        "builder": one.builder,
        "state": one.state.value,
        "counts": {state.value: counts[state] for state in State},
        "total": sum(counts.values()),
        "rung": one.rung.value if one.rung else None,
        "rung_name": wording.RUNG_NAMES[one.rung] if one.rung else "",
        "rungs": [
            {"rung": rung.value, "name": rung.name.lower(), "count": rungs[rung]}
            for rung in Rung
            if rungs[rung]
        ],
        "broke": len(broke),
        "unanswered": len(unanswered),
        # What is new, or else what has been so for longest; incidents come latest first.
        "incident": incident_anchor(red[0 if broke else -1]) if red else None,
        "red_for": wording.nights_words(morning.night - red[-1].change.after.run.night + 1) if red else "",
        "run": _run(one.run),
        "last_night": one.run.night == morning.night,
        "expires": expires,
        "ages": ages(one),
        "strip": strip(one, morning.night, report),
        "unreported": list(one.unreported),
        "grid": "grid.html#" + urlencode({"class": one.builder, "environment": one.environment}),
        "badge": f"{urls.class_file('badges', one.environment, one.builder)}.svg",
    }


def ages(one: ClassReport) -> list[tuple[int, str, str | None, int, int]]:
    """How its clauses will age: ``[expires, state, rung, end of C4, clauses]``, a time of 0 for never."""
    counted = Counter(
        (clause.expires, clause.state.value, *_rung(clause).values())
        if clause.state is not State.UNKNOWN
        else (0, State.UNKNOWN.value, None, 0)
        for clause in one.clauses
    )
    counted[0, State.UNKNOWN.value, None, 0] += len(one.unreported)
    return [(*about, count) for about, count in counted.items() if count]


def _rung(one: ClauseReport) -> View:
    """Its rung, and when that ends by itself before the evidence does (0 for not)."""
    return {
        "rung": one.rung.value if one.rung else None,
        "rung_until": one.sustained_until if one.rung is Rung.SUSTAINED else 0,
    }


def strip(one: ClassReport, night: int, report: Report) -> list[View]:
    """The worst verdict of each of the last nights, oldest first."""
    first = report.nights[0] if report.nights else night
    return [
        {"night": day(at), "verdict": one.nights[at].value if at in one.nights else None}
        for at in range(max(first, night - STRIP + 1), night + 1)
    ]


def _run(run: Run) -> View:
    return {
        "started": instant(run.started),
        "started_words": wording.time_words(run.started),
        "environment": run.environment,
        "builder": run.builder,
        "image": run.image,
        "image_digest": run.image_digest,
        "contract_digest": run.contract_digest,
        "engine": run.engine,
        "host": run.host,
        "runner": run.runner,
        "identity": run.identity,
        "simulated": bool(run.simulated),
    }


def _incident(incident: Incident, book: Book, night: int) -> View:
    change = incident.change
    return {
        "id": incident_anchor(incident),
        "builder": incident.builder,
        "at": instant(change.after.run.started),
        "at_words": wording.time_words(change.after.run.started),
        "nights": night - change.after.run.night + 1,
        "suspects": list(change.suspects),
        "suspicion": wording.suspicion(change, incident.clauses),
        "before": _run(change.before.run) if change.before else None,
        "before_verdict": change.before.verdict.value if change.before else None,
        "after": _run(change.after.run),
        "unproven_nights": change.unproven,
        "clauses": [_brief(one, book) for one in incident.clauses[:_LISTED]],
        "more": max(0, len(incident.clauses) - _LISTED),
    }


def incident_anchor(incident: Incident) -> str:
    """Where the morning page tells of an incident."""
    run = incident.change.after.run
    return urls.anchor(f"{incident.environment}/{incident.builder}/{run.started}")


def _listed(
    clauses: Sequence[ClauseReport], book: Book, night: int | None = None, *, most: int = _LISTED
) -> View:
    """A list that is cut at what a person reads; the rest is in the grid."""
    shown = []
    for one in clauses[:most]:
        brief = _brief(one, book)
        if night is not None:
            brief["nights"] = night - one.since.run.night + 1
        shown.append(brief)
    return {"clauses": shown, "more": max(0, len(clauses) - most)}


def _brief(one: ClauseReport, book: Book) -> View:
    last = one.last
    return {
        "id": one.clause.id,
        "local_id": one.clause.local_id,
        "builder": one.clause.builder,
        "kind": one.clause.kind,
        "href": f"{urls.clause_page(one.clause)}.html",
        "state": one.state.value,
        "expires": one.expires,
        **_rung(one),
        "since": instant(one.since.run.started),
        "since_words": wording.date_words(one.since.run.started),
        "answered": instant(last.run.started),
        "answered_words": wording.time_words(last.run.started),
        "promised": book.text(last.promised),
        "seen": book.text(last.seen),
        "likely": book.text(last.likely),
    }


def grid(report: Report) -> View:
    """The grid's frame; each class has a file of its own."""
    first, last = report.nights or (0, -1)
    kinds = sorted({one.clause.kind for each in report.classes for one in each.clauses})
    return {
        **_head(report),
        "first": first,
        "last": last,
        "first_night": day(first),
        "kinds": kinds,
        "classes": [
            {
                "environment": one.environment,
                "builder": one.builder,
                "state": one.state.value,
                "clauses": len(one.clauses),
                "ages": ages(one),
                "attention": sum(clause.state not in (State.KEPT, State.WAIVED) for clause in one.clauses),
                "data": f"{urls.class_file('grid', one.environment, one.builder)}.js",
            }
            for one in sorted(report.classes, key=lambda one: (one.environment, *_urgency(one)))
        ],
    }


def grid_class(one: ClassReport, report: Report, book: Book) -> View:
    """All nights of one class, each by its worst answer: ``[letter, nights, text of what was seen]``."""
    first, last = report.nights or (0, -1)
    runs = sorted(
        {point.run for clause in one.clauses for point in clause.series.points}, key=lambda run: run.started
    )
    texts: dict[str, int] = {}

    def number(text: str) -> int:
        return texts.setdefault(text, len(texts))

    rows = [
        {
            "id": clause.clause.local_id,
            "kind": clause.clause.kind,
            "href": f"{urls.clause_page(clause.clause)}.html",
            "state": clause.state.value,
            "expires": clause.expires,
            **_rung(clause),
            "since": clause.since.run.night,
            "promised": number(book.text(clause.last.promised)),
            "nights": [
                [letter, count, None if seen is None else number(book.text(seen))]
                for letter, count, seen in encode(clause.series.points, first, last)
            ],
        }
        for clause in one.clauses
    ]
    return {
        "environment": one.environment,
        "builder": one.builder,
        "images": changes(runs, "image_digest"),
        "contracts": changes(runs, "contract_digest"),
        "clauses": rows,
        "texts": list(texts),
    }


def encode(points: Sequence[Point], first: int, last: int) -> list[tuple[str, int, int | None]]:
    """The nights from ``first`` to ``last`` as stretches: letter, nights, and the last text seen in them."""
    answers = by_night(points)
    found: list[tuple[str, int, int | None]] = []
    for night in range(first, last + 1):
        point = answers.get(night)
        letter = CODES[point.verdict] if point else "-"
        seen = point.seen if point else None
        if found and found[-1][0] == letter:
            found[-1] = (letter, found[-1][1] + 1, seen)
        else:
            found.append((letter, 1, seen))
    return found


def changes(runs: Iterable[Run], field: str) -> list[tuple[int, str]]:
    """The nights on which a digest became another, and its first digits."""
    found: list[tuple[int, str]] = []
    for run in runs:
        digest = wording.short(getattr(run, field))
        if digest and (not found or found[-1][1] != digest):
            found.append((run.night, digest))
    return found


def clause(one: ClauseReport, report: Report, book: Book, flake: Flake | None) -> View:
    """A clause's own page."""
    last = one.last
    broke = one.breakages[-1] if one.breakages else None
    first, final = report.nights or (0, -1)
    return {
        **_head(report),
        **_brief(one, book),
        "environment": one.clause.environment,
        "withdrawn": one.withdrawn,
        "rung_name": wording.RUNG_NAMES[one.rung] if one.rung else "",
        "source": book.text(last.source),
        "why": book.text(last.why),
        "look": book.text(last.look),
        "answers": len(one.series.points),
        "now": _answer(last, one, book),
        "broke": _broke(one, broke, book) if broke else None,
        "witnesses_of_break": book.witnesses(one.series, broke.after.run) if broke else [],
        "first": day(first),
        "nights": [(letter, count) for letter, count, _ in encode(one.series.points, first, final)],
        "segments": [_segment(segment, book) for segment in one.segments[-_SEGMENTS:]],
        "earlier_segments": max(0, len(one.segments) - _SEGMENTS),
        "flake": (
            {"changes": flake.changes, "pairs": flake.pairs, "image_known": flake.image_known}
            if flake
            else None
        ),
        "canary": f"canaries.html#{canary_anchor(one.clause)}" if one.clause.canary else None,
        "seconds": [(point.run.started, round(point.seconds, 3)) for point in one.series.points],
        "repeat": repeat(one, book),
    }


def _answer(point: Point, one: ClauseReport, book: Book) -> View:
    return {
        "verdict": point.verdict.value,
        "seen": book.text(point.seen),
        "seconds": point.seconds,
        "seconds_words": wording.seconds_words(point.seconds),
        "run": _run(point.run),
        "witnesses": book.witnesses(one.series, point.run),
    }


def _broke(one: ClauseReport, change: Change, book: Book) -> View:
    """The last time that the clause broke: both sides of the change, and where to look."""
    before, after = change.before, change.after
    ended = next(
        (
            segment.first
            for segment in one.segments
            if segment.verdict in (Outcome.KEPT, Outcome.WAIVED)
            and segment.first.run.started > after.run.started
        ),
        None,
    )
    return {
        "before": _answer(before, one, book) if before else None,
        "after": _answer(after, one, book),
        "mended": _answer(ended, one, book) if ended else None,
        "likely": book.text(after.likely),
        "suspects": list(change.suspects),
        "suspicion": wording.suspicion(change, [one]),
        "unproven_nights": change.unproven,
        "compared": [
            (name, getattr(before.run, field) if before else "", getattr(after.run, field))
            for name, field in (
                ("image", "image_digest"),
                ("contract", "contract_digest"),
                ("host", "host"),
                ("engine", "engine"),
                ("runner", "identity"),
            )
            if (before and getattr(before.run, field)) or getattr(after.run, field)
        ],
    }


def _segment(segment: Segment, book: Book) -> View:
    return {
        "verdict": segment.verdict.value,
        "first": instant(segment.first.run.started),
        "first_words": wording.date_words(segment.first.run.started),
        "last": instant(segment.last.run.started),
        "last_words": wording.date_words(segment.last.run.started),
        "nights": segment.nights,
        "nights_words": wording.nights_words(segment.nights),
        "runs": segment.points,
        "image_digest": segment.first.run.image_digest,
        "contract_digest": segment.first.run.contract_digest,
        "last_image_digest": segment.last.run.image_digest,
        "last_contract_digest": segment.last.run.contract_digest,
        "seen": book.text(segment.first.seen),
    }


def repeat(one: ClauseReport, book: Book) -> list[View]:
    """Commands that ask the same question again."""
    run, local = one.last.run, one.clause.local_id
    if one.last.rung is None and not book.text(one.last.source):
        return []
    found = [{"says": "Ask the same question again", "command": rerun_command.check(run, "-k", local)}]
    if look := book.text(one.last.look):
        found.append({"says": "See the fact behind the answer", "command": look})
    explain = shlex.join(["builder-contracts", "explain", one.clause.id])
    return [*found, {"says": "What it promises, how it is judged, how to mend it", "command": explain}]


def canaries(report: Report, book: Book) -> View:
    """Canaries, and whatever else is measured, by the canary that a clause belongs to."""
    measured: dict[Clause, dict[str, Sequence[Reading]]] = {}
    for (where, quantity), readings in book.measurements.items():
        measured.setdefault(where, {})[quantity] = readings
    groups: dict[tuple[str, str, str], list[View]] = {}
    claims: dict[tuple[str, str, str], str] = {}
    for each in report.classes:
        for one in each.clauses:
            if one.clause.canary or one.clause in measured:
                name = one.clause.canary or one.clause.local_id
                quantities = sorted(measured.get(one.clause, {}), key=_measure_order)
                found = [_measured(quantity, measured[one.clause][quantity]) for quantity in quantities]
                view = {
                    **_brief(one, book),
                    "rung_name": wording.RUNG_NAMES[one.rung] if one.rung else "",
                    "measured": found,
                }
                key = (each.environment, each.builder, name)
                groups.setdefault(key, []).append(view)
                for witness in book.witnesses(one.series, one.last.run):
                    if witness.startswith(_CLAIM):
                        claims[key] = witness.removeprefix(_CLAIM)
    return {
        **_head(report),
        "groups": [
            {
                "environment": environment,
                "builder": builder,
                "name": name,
                "id": urls.anchor(f"{environment}/{builder}/{name}"),
                "claim": claims.get((environment, builder, name)),
                "clauses": clauses,
            }
            for (environment, builder, name), clauses in groups.items()
        ],
    }


def canary_anchor(clause: Clause) -> str:
    """Where the page of canaries shows what a canary's clause is about."""
    return urls.anchor(f"{clause.environment}/{clause.builder}/{clause.canary}")


def _measure_order(quantity: str) -> tuple[int, str]:
    """Times first, then hit rates, then sizes."""
    units = ("_seconds", "_ratio", "_bytes")
    return next((at for at, unit in enumerate(units) if quantity.endswith(unit)), len(units)), quantity


def _measured(quantity: str, readings: Sequence[Reading]) -> View:
    values = [reading.value for reading in readings]
    last = readings[-1]
    over = False
    if last.budget is not None:
        over = last.value < last.budget if quantity.endswith("_ratio") else last.value > last.budget
    return {
        "quantity": quantity,
        "name": wording.quantity_name(quantity),
        "last": last.value,
        "last_words": wording.quantity_words(quantity, last.value),
        "budget": last.budget,
        "budget_words": None if last.budget is None else wording.quantity_words(quantity, last.budget),
        "floor": quantity.endswith("_ratio"),
        "over": over,
        "median_words": wording.quantity_words(quantity, statistics.median(values)),
        "trend_words": trend(quantity, readings),
        "readings": [(reading.run.started, reading.value, reading.budget) for reading in readings],
    }


def trend(quantity: str, readings: Sequence[Reading]) -> str:
    """How the value moves: the slope between the medians of its first and its last quarter, if it is one."""
    if len(readings) < 12:
        return ""
    quarter = len(readings) // 4
    early, late = readings[:quarter], readings[-quarter:]
    was = statistics.median(reading.value for reading in early)
    now = statistics.median(reading.value for reading in late)
    # The mean, because a value that swings between two levels has no median deviation.
    scatter = statistics.fmean(abs(reading.value - now) for reading in late)
    if was <= 0 or abs(now / was - 1) < 0.05 or abs(now - was) < 4 * scatter:
        return "steady"
    days = (late[0].run.started - early[0].run.started) / DAY_MS
    word = "risen" if now > was else "fallen"
    a, b = wording.quantity_words(quantity, was), wording.quantity_words(quantity, now)
    return f"{word} from {a} to {b} in {wording.nights_words(round(days))}"


def flakes(report: Report, book: Book) -> View:
    """Clauses that were kept and not kept while nothing else changed."""
    return {
        **_head(report),
        "flakes": [
            {
                **_brief(one.report, book),
                "seen": book.text(one.bad.seen),
                "environment": one.report.clause.environment,
                "changes": one.changes,
                "pairs": one.pairs,
                "rate": round(one.rate, 4),
                "latest": instant(one.latest.run.started),
                "latest_words": wording.date_words(one.latest.run.started),
                "image_known": one.image_known,
                "flaky": one.changes > 1,
            }
            for one in report.flakes
        ],
    }
