"""Every clause on every night."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from builder_contracts.dashboard.analysis.history_report import Report
from builder_contracts.dashboard.analysis.status import ClassReport, State, worst_points
from builder_contracts.dashboard.history.series import Book, Point, Run, format_night
from builder_contracts.dashboard.site import urls, wording
from builder_contracts.dashboard.site.pages.parts import View, build_ages, build_head, build_rung, by_urgency
from builder_contracts.evidence.verdict import Outcome

CODES = {
    Outcome.KEPT: "k",
    Outcome.WAIVED: "w",
    Outcome.UNPROVEN: "u",
    Outcome.BROKEN: "b",
}
"""One letter a verdict in the run-length strings of the grid; a night without an answer is ``-``."""


def build_grid_page(report: Report) -> View:
    """The grid's frame; each class has a file of its own."""
    first, last = report.nights or (0, -1)
    kinds = sorted({one.clause.kind for each in report.classes for one in each.clauses})
    return {
        **build_head(report),
        "first": first,
        "last": last,
        "first_night": format_night(first),
        "kinds": kinds,
        "classes": [
            {
                "environment": one.environment,
                "builder": one.builder,
                "state": one.state.value,
                "clauses": len(one.clauses),
                "ages": build_ages(one),
                "attention": sum(clause.state not in (State.KEPT, State.WAIVED) for clause in one.clauses)
                + len(one.unreported),
                "data": f"{urls.class_file('grid', one.environment, one.builder)}.js",
            }
            for one in sorted(report.classes, key=lambda one: (one.environment, *by_urgency(one)))
        ],
    }


def build_grid_rows(one: ClassReport, report: Report, book: Book) -> View:
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
            **build_rung(clause),
            "since": clause.since.run.night,
            "promised": number(book.text(clause.last.promised)),
            "nights": [
                [letter, count, None if seen is None else number(book.text(seen))]
                for letter, count, seen in encode_nights(clause.series.points, first, last)
            ],
        }
        for clause in one.clauses
    ]
    return {
        "environment": one.environment,
        "builder": one.builder,
        "images": find_digest_changes(runs, "image_digest"),
        "contracts": find_digest_changes(runs, "contract_digest"),
        "clauses": rows,
        "texts": list(texts),
    }


def encode_nights(points: Sequence[Point], first: int, last: int) -> list[tuple[str, int, int | None]]:
    """The nights from ``first`` to ``last`` as stretches: letter, nights, and the last text seen in them."""
    answers = worst_points(points)
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


def find_digest_changes(runs: Iterable[Run], field: str) -> list[tuple[int, str]]:
    """The nights on which a digest became another, and its first digits."""
    found: list[tuple[int, str]] = []
    for run in runs:
        digest = wording.shorten_digest(getattr(run, field))
        if digest and (not found or found[-1][1] != digest):
            found.append((run.night, digest))
    return found
