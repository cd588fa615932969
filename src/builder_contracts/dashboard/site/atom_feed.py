"""An Atom feed (RFC 4287) of breakages, fixes, and reports that did not come."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from builder_contracts.dashboard.analysis.history_report import HistoryReport
from builder_contracts.dashboard.analysis.night_digest import best_bounded
from builder_contracts.dashboard.analysis.status import Breakage, ClauseStatus
from builder_contracts.dashboard.history.series import (
    DAY_MS,
    HistorySnapshot,
    RecordedRun,
    RecordedVerdict,
    format_instant,
)
from builder_contracts.dashboard.site.urls import clause_page
from builder_contracts.dashboard.site.wording import describe_suspicion, format_time
from builder_contracts.verdict import Outcome

ENTRIES = 100
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://builder-contracts.invalid/feed")


class ClauseTurn(NamedTuple):
    """A clause's first result with a different verdict, and the breakage if it broke with it."""

    report: ClauseStatus
    answer: RecordedVerdict
    broke: Breakage | None


@dataclass(frozen=True)
class FeedEvent:
    """The changes in one run of one class."""

    run: RecordedRun
    turns: Sequence[ClauseTurn]

    @property
    def broke(self) -> list[ClauseTurn]:
        return [turn for turn in self.turns if turn.broke]

    def now(self, verdict: Outcome) -> list[ClauseTurn]:
        """The clauses that changed to a verdict other than broken."""
        return [turn for turn in self.turns if turn.answer.verdict is verdict and not turn.broke]


def find_events(report: HistoryReport) -> list[FeedEvent]:
    """Runs in which a verdict changed or a clause began broken, the latest first."""
    turns: dict[int, list[ClauseTurn]] = {}
    runs: dict[int, RecordedRun] = {}
    for builder in report.classes:
        for clause in builder.clauses:
            broke = {change.after.run.number: change for change in clause.breakages}
            for at, segment in enumerate(clause.segments):
                run = segment.first.run
                if at or run.number in broke:
                    runs[run.number] = run
                    turn = ClauseTurn(clause, segment.first, broke.get(run.number))
                    turns.setdefault(run.number, []).append(turn)
    latest = sorted(runs.values(), key=lambda run: (-run.started, run.number))[:ENTRIES]
    return [FeedEvent(run, turns[run.number]) for run in latest]


class FeedEntry(NamedTuple):
    """An entry: ``key`` is what its ID is made of, so it stays the same entry as long as it is about the same."""

    updated: int
    key: str
    title: str
    href: str
    body: Sequence[str]


def find_gaps(report: HistoryReport) -> Iterator[FeedEntry]:
    """Classes and clauses that are promised and have no report."""
    nights = {morning.environment: morning.night for morning in report.mornings}
    for builder in report.classes:
        name, night = f"{builder.builder} ({builder.environment})", nights[builder.environment]
        key = f"{builder.environment}\0{builder.builder}\0"
        if builder.run is None:
            title = f"{name}: unknown, never reported"
            yield FeedEntry(night * DAY_MS, f"{key}never", title, "index.html", builder.unreported)
        elif builder.run.night < night:
            last = builder.run.started
            title = f"{name}: no report since {format_time(last)}"
            yield FeedEntry((builder.run.night + 1) * DAY_MS, f"{key}silent\0{last}", title, "index.html", ())
        if builder.run and builder.unreported:
            runs = (point.run for clause in builder.clauses for point in clause.series.points)
            digest = builder.run.contract_digest
            # The first night that should have reported them, so that the entry is the same every night.
            since = min(
                (run.started for run in runs if run.contract_digest == digest), default=night * DAY_MS
            )
            title = f"{name}: {len(builder.unreported)} unknown, never reported"
            yield FeedEntry(since, f"{key}unreported\0{digest}", title, "index.html", builder.unreported)


def format_feed(report: HistoryReport, book: HistorySnapshot, base: str) -> str:
    """The feed. ``base`` is the site's address, empty if it is not known: links are then relative."""
    entries = [_build_entry(event, book) for event in find_events(report)]
    entries = sorted([*entries, *find_gaps(report)], key=lambda entry: -entry.updated)[:ENTRIES]
    # Without a trailing slash it would mean the parent directory.
    base = f"{base.rstrip('/')}/" if base else ""
    root = f" xml:base={quoteattr(base)}" if base else ""
    title = "Builder contracts: changes" + (" (simulated data)" if report.simulated else "")
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<feed xmlns="http://www.w3.org/2005/Atom"{root}>',
        f"<title>{escape(title)}</title>",
        f"<id>{uuid.uuid5(_SPACE, base).urn}</id>",
        f"<updated>{format_instant(entries[0].updated if entries else report.now)}</updated>",
        "<author><name>builder-contracts</name></author>",
        '<link rel="self" type="application/atom+xml" href="feed.atom"/>',
        '<link rel="alternate" type="text/html" href="index.html"/>',
    ]
    for entry in entries:
        lines += [
            "<entry>",
            f"<title>{escape(_drop_invalid_xml(entry.title))}</title>",
            f"<id>{uuid.uuid5(_SPACE, entry.key).urn}</id>",
            f"<updated>{format_instant(entry.updated)}</updated>",
            f'<link rel="alternate" type="text/html" href={quoteattr(entry.href)}/>',
            f'<content type="text">{escape(_drop_invalid_xml(chr(10).join(entry.body)))}</content>',
            "</entry>",
        ]
    return "\n".join([*lines, "</feed>", ""])


def _build_entry(event: FeedEvent, book: HistorySnapshot) -> FeedEntry:
    run = event.run
    counts = [
        f"{len(turns)} {word}"
        for turns, word in (
            (event.broke, "broke"),
            (event.now(Outcome.BROKEN), "still broken"),
            (event.now(Outcome.UNPROVEN), "newly unproven"),
            (event.now(Outcome.WAIVED), "waived"),
            (event.now(Outcome.KEPT), "kept again"),
        )
        if turns
    ]
    first = (event.broke or event.turns)[0].report.clause
    body = []
    if changes := [turn.broke for turn in event.turns if turn.broke]:
        body.append(describe_suspicion(best_bounded(changes), [turn.report for turn in event.broke]))
    for clause, answer, _ in event.turns:
        body.append(f"{clause.clause.local_id}: {answer.verdict.value} ({book.text(answer.seen)})")
    return FeedEntry(
        run.started,
        f"{run.environment}\0{run.builder}\0{run.image_digest}\0{run.contract_digest}\0{run.started}",
        f"{run.builder} ({run.environment}): {', '.join(counts)}",
        f"{clause_page(first)}.html",
        body,
    )


def _drop_invalid_xml(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold."""
    return "".join(
        char
        for char in text
        if char in "\t\n" or "\x20" <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd" or char > "\uffff"
    )
