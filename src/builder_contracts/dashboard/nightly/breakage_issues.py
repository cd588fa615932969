"""Issues for broken clauses and missing reports: one per class, opened, updated and closed. Pure.

A comment in the issue lists its clauses. The issue is closed only when the class reports, and each of them is kept
again, waived or withdrawn; an unproven clause is not a recovery. What is broken on a machine that is not shown to be
a runner of the class opens no issue.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from builder_contracts.dashboard.analysis.history_report import HistoryReport
from builder_contracts.dashboard.analysis.night_digest import Incident
from builder_contracts.dashboard.analysis.status import BuilderStatus, ClauseState
from builder_contracts.dashboard.history.series import HistorySnapshot
from builder_contracts.dashboard.nightly import job_summary
from builder_contracts.dashboard.nightly.night_warnings import describe_missing, describe_unconfirmed
from builder_contracts.dashboard.site import wording
from builder_contracts.dashboard.site.rerun_command import rerun_command
from builder_contracts.forge.issues import CloseIssue, Issue, IssueAction, OpenIssue, UpdateIssue
from builder_contracts.reporting.markdown import code_span

_MARK = re.compile(r"<!-- builder-contracts (\{[^<>]*\}) -->")
_LISTED = 40
_BODY = 60_000


@dataclass(frozen=True)
class IssueMarker:
    """The marker in an issue: its class and its clauses."""

    environment: str
    builder: str
    clauses: tuple[str, ...]

    def __str__(self) -> str:
        data = {"environment": self.environment, "builder": self.builder, "clauses": self.clauses}
        text = json.dumps(data, sort_keys=True)
        # No clause name may end the comment, or its pattern, early.
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("--", "-\\u002d")
        return f"<!-- builder-contracts {text} -->"


def parse_mark(body: str) -> IssueMarker | None:
    """The marker in an issue's text, or None if builder-contracts did not write it."""
    match = _MARK.search(body)
    if not match:
        return None
    try:
        data = json.loads(match[1])
        return IssueMarker(str(data["environment"]), str(data["builder"]), tuple(map(str, data["clauses"])))
    except (ValueError, KeyError, TypeError):
        return None


def plan_actions(
    report: HistoryReport, book: HistorySnapshot, issues: Sequence[Issue], site: str = ""
) -> list[IssueAction]:
    """The changes that make the tracker match the report; none if it does already."""
    actions: list[IssueAction] = []
    marked: dict[tuple[str, str], list[tuple[Issue, IssueMarker]]] = {}
    for issue in sorted(issues, key=lambda issue: issue.number):
        if mark := parse_mark(issue.body):
            marked.setdefault((mark.environment, mark.builder), []).append((issue, mark))
    for builder in report.classes:
        builder_issues = marked.get((builder.environment, builder.builder), [])
        for issue, _ in builder_issues[1:]:
            actions.append(CloseIssue(issue.number, f"Duplicate of #{builder_issues[0][0].number}."))
        actions += _plan_builder(builder, report, book, builder_issues[0] if builder_issues else None, site)
    for builder in report.withdrawn:
        for issue, mark in marked.get((builder.environment, builder.builder), []):
            actions.append(CloseIssue(issue.number, f"Withdrawn: {job_summary.format_names(mark.clauses)}."))
    return actions


def _plan_builder(
    builder: BuilderStatus,
    report: HistoryReport,
    book: HistorySnapshot,
    issue: tuple[Issue, IssueMarker] | None,
    site: str,
) -> Iterator[IssueAction]:
    broken = [
        clause.clause.local_id
        for clause in builder.clauses
        if clause.state is ClauseState.BROKEN and not clause.unconfirmed
    ]
    missing = describe_missing(builder, report)
    if issue is None:
        if broken or missing:
            yield OpenIssue(
                _format_title(builder, broken, missing), _format_body(builder, report, book, (), broken, site)
            )
        return
    at, mark = issue
    states = dict.fromkeys(builder.unreported, ClauseState.UNKNOWN)
    states |= {clause.clause.local_id: clause.state for clause in builder.clauses}
    healed = (ClauseState.KEPT, ClauseState.WAIVED)
    # A withdrawn clause is not in the report and needs no fix.
    pending = [
        name
        for name in mark.clauses
        if states.get(name, ClauseState.KEPT) not in healed and name not in broken
    ]
    if not broken and not pending and not missing:
        yield CloseIssue(at.number, _format_recovery(builder, mark))
        return
    title, body = (
        _format_title(builder, broken, missing),
        _format_body(builder, report, book, pending, broken, site),
    )
    added = [name for name in broken if name not in mark.clauses]
    if (title, body) != (at.title, _normalize(at.body)):
        yield UpdateIssue(
            at.number, title, body, f"Also broken now: {job_summary.format_names(added)}." if added else ""
        )


def _normalize(body: str) -> str:
    """Trackers return texts with different line endings."""
    return body.replace("\r\n", "\n").strip() + "\n"


def _format_title(builder: BuilderStatus, broken: Sequence[str], missing: str) -> str:
    what = missing.partition(":")[0] or "fix not confirmed"
    if missing and builder.run:
        what = "no report"
    if broken:
        what = f"{len(broken)} clause{'' if len(broken) == 1 else 's'} broken"
    return f"{builder.builder} ({builder.environment}): {what}"[:200]


def _format_body(
    builder: BuilderStatus,
    report: HistoryReport,
    book: HistorySnapshot,
    pending: Sequence[str],
    broken: Sequence[str],
    site: str,
) -> str:
    subject = "Broken clauses" if broken or pending else "Reports"
    lines = [f"{subject} of {code_span(builder.builder)} in {code_span(builder.environment)}.", ""]
    if missing := describe_missing(builder, report):
        lines += [f"**{missing[0].upper()}{missing[1:]}.**", ""]
    if builder.unconfirmed:
        lines += [f"Not counted: {code_span(describe_unconfirmed(builder), 1000)}.", ""]
    for incident in _incidents_of(builder, report):
        since = wording.format_time(incident.change.after.run.started)
        lines += [f"**Broken since the run of {since}.** {job_summary.format_suspicion(incident)}", ""]
        lines += [job_summary.format_clause(clause, book, site) for clause in incident.clauses[:_LISTED]]
        if len(incident.clauses) > _LISTED:
            lines.append(f"- and {len(incident.clauses) - _LISTED} more")
        lines.append("")
    if pending:
        lines.append("No longer broken, but not yet confirmed kept:")
        lines += ["", *(f"- {code_span(name)}" for name in pending), ""]
    if run := builder.run:
        image, host = code_span(run.image_digest or "unknown"), code_span(run.host)
        lines.append(f"Latest run: {wording.format_time(run.started)}, image {image}, host {host}.")
        if any(book.text(clause.last.source) for clause in builder.clauses):
            where = " on a runner of the class" if run.runner == "local" else ""
            lines += ["", f"To check again{where}: {code_span(rerun_command(run), 1000)}"]
    if site:
        lines += ["", f"Dashboard: {site}"]
    text = "\n".join(lines)
    if len(text) > _BODY:
        text = text[:_BODY].rpartition("\n")[0] + "\n\n(truncated; see the dashboard)"
    mark = IssueMarker(builder.environment, builder.builder, tuple(sorted({*broken, *pending})))
    return _normalize(f"{text}\n\n{mark}")


def _incidents_of(builder: BuilderStatus, report: HistoryReport) -> Iterable[Incident]:
    for morning in report.mornings:
        for incident in morning.incidents:
            if (incident.environment, incident.builder) != (builder.environment, builder.builder):
                continue
            if clauses := tuple(clause for clause in incident.clauses if not clause.unconfirmed):
                yield replace(incident, clauses=clauses)


def _format_recovery(builder: BuilderStatus, mark: IssueMarker) -> str:
    clauses = {clause.clause.local_id: clause for clause in builder.clauses}
    sentences = []
    if kept := [name for name in mark.clauses if name in clauses and clauses[name].state is ClauseState.KEPT]:
        run = max((clauses[name].last.run for name in kept), key=lambda run: run.started)
        image = wording.shorten_digest(run.image_digest) or "unknown"
        when = wording.format_time(run.started)
        sentences.append(
            f"Kept again in the run of {when} (image {code_span(image)}): {job_summary.format_names(kept)}."
        )
    if waived := [name for name in mark.clauses if name in clauses and name not in kept]:
        sentences.append(f"Waived: {job_summary.format_names(waived)}.")
    if dropped := [name for name in mark.clauses if name not in clauses]:
        sentences.append(f"Withdrawn: {job_summary.format_names(dropped)}.")
    if not mark.clauses and builder.run:
        sentences.append(f"Reported in the run of {wording.format_time(builder.run.started)}.")
    return "\n".join(sentences)
