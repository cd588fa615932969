"""Clauses whose verdict changed while image and contract did not."""

from __future__ import annotations

from builder_contracts.dashboard.analysis.history_report import Report
from builder_contracts.dashboard.history.series import Book, format_instant
from builder_contracts.dashboard.site import wording
from builder_contracts.dashboard.site.pages.parts import View, build_brief, build_head


def build_flakes_page(report: Report, book: Book) -> View:
    """Clauses that were kept and not kept while nothing else changed."""
    return {
        **build_head(report),
        "flakes": [
            {
                **build_brief(one.report, book),
                "seen": book.text(one.bad.seen),
                "environment": one.report.clause.environment,
                "changes": one.changes,
                "pairs": one.pairs,
                "rate": round(one.rate, 4),
                "latest": format_instant(one.latest.run.started),
                "latest_words": wording.format_date(one.latest.run.started),
                "image_known": one.image_known,
                "flaky": one.changes > 1,
            }
            for one in report.flakes
        ],
    }
