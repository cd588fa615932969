"""Gaps of a night as sentences: classes without a report, and machines of an unknown class. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.dashboard.analysis.history_report import HistoryReport
from builder_contracts.dashboard.analysis.status import BuilderStatus
from builder_contracts.dashboard.site import wording


def list_warnings(report: HistoryReport) -> Iterator[str]:
    """The warnings of the night, a line each."""
    for builder in report.classes:
        if sentence := describe_missing(builder, report):
            yield f"{builder.builder} ({builder.environment}): {sentence}"
        if sentence := describe_unconfirmed(builder):
            yield f"{builder.builder} ({builder.environment}): {sentence}"


def describe_missing(builder: BuilderStatus, report: HistoryReport) -> str:
    """The reason why a report of the class is missing; empty if none is due.

    Where a whole environment stopped reporting, it is missed only if its reports are expected: it may be gone.
    """
    morning = next(morning for morning in report.mornings if morning.environment == builder.environment)
    if morning.missed and builder.environment not in report.expected:
        return ""
    if builder.run is None:
        return "never reported: no runner has answered to its label, or its checks could not start"
    if builder in morning.silent or morning.missed:
        return f"no report since {wording.format_time(builder.run.started)}"
    return ""


def describe_unconfirmed(builder: BuilderStatus) -> str:
    """The clauses that do not count against the class, and the machine; empty if nothing such is broken."""
    if not builder.unconfirmed:
        return ""
    count = len(builder.unconfirmed)
    clauses = f"{count} clause{'' if count == 1 else 's'}"
    return (
        f"{clauses} broken on a machine that is not shown to be a runner of the class "
        f"({builder.unconfirmed[0].last.run.identity or 'no record of the machine'})"
    )
