"""One clause: its current state, the change that broke it, its history, and commands to reproduce it."""

from __future__ import annotations

import shlex

from builder_contracts.dashboard.analysis.flakes import Flake
from builder_contracts.dashboard.analysis.history_report import HistoryReport
from builder_contracts.dashboard.analysis.status import (
    Breakage,
    ClauseStatus,
    Segment,
)
from builder_contracts.dashboard.history.series import (
    HistorySnapshot,
    RecordedVerdict,
    format_instant,
    format_night,
)
from builder_contracts.dashboard.site import wording
from builder_contracts.dashboard.site.pages.canaries import canary_anchor
from builder_contracts.dashboard.site.pages.grid import encode_nights
from builder_contracts.dashboard.site.pages.parts import View, build_brief, build_head, build_run
from builder_contracts.dashboard.site.rerun_command import rerun_command
from builder_contracts.verdict import Outcome

_SEGMENTS = 100


def build_clause_page(
    status: ClauseStatus, report: HistoryReport, book: HistorySnapshot, flake: Flake | None
) -> View:
    """A clause's own page."""
    last = status.last
    broke = status.breakages[-1] if status.breakages else None
    first, final = report.nights or (0, -1)
    return {
        **build_head(report),
        **build_brief(status, book),
        "environment": status.clause.environment,
        "withdrawn": status.withdrawn,
        "host_limit": status.host_limit,
        "rung_name": wording.RUNG_NAMES[status.rung] if status.rung else "",
        "source": book.text(last.source),
        "why": book.text(last.why),
        "look": book.text(last.look),
        "answers": len(status.series.points),
        "now": _build_result(last, status, book),
        "broke": _build_breakage(status, broke, book) if broke else None,
        "witnesses_of_break": book.witnesses(status.series, broke.after.run) if broke else [],
        "first": format_night(first),
        "nights": [(letter, count) for letter, count, _ in encode_nights(status.series.points, first, final)],
        "segments": [_build_segment(segment, book) for segment in status.segments[-_SEGMENTS:]],
        "earlier_segments": max(0, len(status.segments) - _SEGMENTS),
        "flake": (
            {"changes": flake.changes, "pairs": flake.pairs, "image_known": flake.image_known}
            if flake
            else None
        ),
        "canary": f"canaries.html#{canary_anchor(status.clause)}" if status.clause.canary else None,
        "seconds": [(point.run.started, round(point.seconds, 3)) for point in status.series.points],
        "repeat": build_commands(status, book),
    }


def _build_result(point: RecordedVerdict, status: ClauseStatus, book: HistorySnapshot) -> View:
    return {
        "verdict": point.verdict.value,
        "seen": book.text(point.seen),
        "seconds": point.seconds,
        "seconds_words": wording.format_seconds(point.seconds),
        "run": build_run(point.run),
        "witnesses": book.witnesses(status.series, point.run),
    }


def _build_breakage(status: ClauseStatus, change: Breakage, book: HistorySnapshot) -> View:
    """The last time that the clause broke: both sides of the change, and where to look."""
    before, after = change.before, change.after
    ended = next(
        (
            segment.first
            for segment in status.segments
            if segment.verdict in (Outcome.KEPT, Outcome.WAIVED)
            and segment.first.run.started > after.run.started
        ),
        None,
    )
    return {
        "before": _build_result(before, status, book) if before else None,
        "after": _build_result(after, status, book),
        "mended": _build_result(ended, status, book) if ended else None,
        "likely": book.text(after.likely),
        "suspects": list(change.suspects),
        "suspicion": wording.describe_suspicion(change, [status]),
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


def _build_segment(segment: Segment, book: HistorySnapshot) -> View:
    return {
        "verdict": segment.verdict.value,
        "first": format_instant(segment.first.run.started),
        "first_words": wording.format_date(segment.first.run.started),
        "last": format_instant(segment.last.run.started),
        "last_words": wording.format_date(segment.last.run.started),
        "nights": segment.nights,
        "nights_words": wording.format_nights(segment.nights),
        "runs": segment.points,
        "image_digest": segment.first.run.image_digest,
        "contract_digest": segment.first.run.contract_digest,
        "last_image_digest": segment.last.run.image_digest,
        "last_contract_digest": segment.last.run.contract_digest,
        "seen": book.text(segment.first.seen),
    }


def build_commands(status: ClauseStatus, book: HistorySnapshot) -> list[View]:
    """Commands that ask the same question again."""
    run, local = status.last.run, status.clause.local_id
    if status.last.rung is None and not book.text(status.last.source):
        return []
    commands = [{"says": "Run the same check again", "command": rerun_command(run, "-k", local)}]
    if look := book.text(status.last.look):
        commands.append({"says": "Inspect the observed fact", "command": look})
    explain = shlex.join(["builder-contracts", "explain", status.clause.id])
    return [*commands, {"says": "Explain the clause and its fix", "command": explain}]
