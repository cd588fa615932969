"""Every clause on every night."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from builder_contracts.dashboard.analysis.history_report import HistoryReport
from builder_contracts.dashboard.analysis.status import BuilderStatus, ClauseState, worst_points
from builder_contracts.dashboard.history.series import (
    HistorySnapshot,
    RecordedRun,
    RecordedVerdict,
    format_night,
)
from builder_contracts.dashboard.site import urls, wording
from builder_contracts.dashboard.site.pages.parts import View, build_ages, build_head, build_rung, by_urgency
from builder_contracts.verdict import Outcome

CODES = {
    Outcome.KEPT: "k",
    Outcome.WAIVED: "w",
    Outcome.UNPROVEN: "u",
    Outcome.BROKEN: "b",
}
"""One letter per verdict in the run-length strings of the grid; a night without a result is ``-``."""


def build_grid_page(report: HistoryReport) -> View:
    """The grid's frame; each class has its own file."""
    first, last = report.nights or (0, -1)
    kinds = sorted({clause.clause.kind for builder in report.classes for clause in builder.clauses})
    return {
        **build_head(report),
        "first": first,
        "last": last,
        "first_night": format_night(first),
        "kinds": kinds,
        "classes": [
            {
                "environment": builder.environment,
                "builder": builder.builder,
                "state": builder.state.value,
                "clauses": sum(builder.counts.values()),
                "ages": build_ages(builder),
                "attention": sum(
                    clause.state not in (ClauseState.KEPT, ClauseState.WAIVED) for clause in builder.clauses
                )
                + len(builder.unreported),
                "data": f"{urls.class_file('grid', builder.environment, builder.builder)}.js",
            }
            for builder in sorted(
                report.classes, key=lambda builder: (builder.environment, *by_urgency(builder))
            )
        ],
    }


def build_grid_rows(builder: BuilderStatus, report: HistoryReport, book: HistorySnapshot) -> View:
    """All nights of one class by their worst results: ``[letter, nights, text of what was observed]``."""
    first, last = report.nights or (0, -1)
    runs = sorted(
        {point.run for clause in builder.clauses for point in clause.series.points},
        key=lambda run: run.started,
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
        for clause in builder.clauses
    ]
    return {
        "environment": builder.environment,
        "builder": builder.builder,
        "images": find_digest_changes(runs, "image_digest"),
        "contracts": find_digest_changes(runs, "contract_digest"),
        "clauses": rows,
        "texts": list(texts),
    }


def encode_nights(
    points: Sequence[RecordedVerdict], first: int, last: int
) -> list[tuple[str, int, int | None]]:
    """The nights from ``first`` to ``last`` as stretches: letter, nights, and their last observation."""
    answers = worst_points(points)
    stretches: list[tuple[str, int, int | None]] = []
    for night in range(first, last + 1):
        point = answers.get(night)
        letter = CODES[point.verdict] if point else "-"
        seen = point.seen if point else None
        if stretches and stretches[-1][0] == letter:
            stretches[-1] = (letter, stretches[-1][1] + 1, seen)
        else:
            stretches.append((letter, 1, seen))
    return stretches


def find_digest_changes(runs: Iterable[RecordedRun], field: str) -> list[tuple[int, str]]:
    """The nights on which a digest became another, and its first digits."""
    changes: list[tuple[int, str]] = []
    for run in runs:
        digest = wording.shorten_digest(getattr(run, field))
        if digest and (not changes or changes[-1][1] != digest):
            changes.append((run.night, digest))
    return changes
