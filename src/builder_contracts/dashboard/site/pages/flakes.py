"""Clauses whose verdict changed while image and contract did not."""

from __future__ import annotations

from builder_contracts.dashboard.analysis.history_report import HistoryReport
from builder_contracts.dashboard.history.series import HistorySnapshot, format_instant
from builder_contracts.dashboard.site import wording
from builder_contracts.dashboard.site.pages.parts import View, build_brief, build_head


def build_flakes_page(report: HistoryReport, book: HistorySnapshot) -> View:
    """Clauses that were kept and not kept while nothing else changed."""
    return {
        **build_head(report),
        "flakes": [
            {
                **build_brief(flake.report, book),
                "seen": book.text(flake.bad.seen),
                "environment": flake.report.clause.environment,
                "changes": flake.changes,
                "pairs": flake.pairs,
                "rate": round(flake.rate, 4),
                "latest": format_instant(flake.latest.run.started),
                "latest_words": wording.format_date(flake.latest.run.started),
                "image_known": flake.image_known,
                "flaky": flake.changes > 1,
            }
            for flake in report.flakes
        ],
    }
