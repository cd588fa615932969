"""A judged checkout as a stream of verdicts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from builder_contracts.errors import ExitCode
from builder_contracts.reporting.stream import Reports, RunInfo, RunSummary, Skipped
from builder_contracts.truth.finding import Finding, Quote
from builder_contracts.truth.platform import ASSUMED
from builder_contracts.truth.session import exit_code, verdicts_of
from builder_contracts.truth.verdicts import TruthReport
from builder_contracts.verdict import Outcome

_SHOWN = 10  # Lines about what was not judged in a text; a JSON report has all.


def report(judgement: TruthReport, reports: Reports, *, command: str, strict: bool) -> ExitCode:
    """Send a judged checkout to the reports; the exit code of the run."""
    started = datetime.now(UTC) - timedelta(seconds=judgement.seconds)
    root = Path(judgement.root)
    started_at = started.strftime("%Y-%m-%dT%H:%M:%SZ")
    reports.begin(RunInfo(os.urandom(6).hex(), command, root, started_at, (_headline(judgement),)))
    for verdict in verdicts_of(judgement):
        reports.add(verdict)
    return reports.end(
        RunSummary(
            exit_code(judgement, strict=strict),
            judgement.seconds,
            skipped=tuple(Skipped(item.path, item.reason) for item in judgement.unread),
            notes=tuple(_notes(judgement)),
            details=_details(judgement),
        )
    )


def _notes(judgement: TruthReport) -> Iterator[str]:
    for assumption in judgement.assumptions:
        place = f"{assumption.source}  {assumption.area}: {assumption.fact}"
        yield f"{ASSUMED}: {place}: {assumption.reason}"
    for finding in judgement.waived:
        yield f"waived: {finding.actual.at}: {finding.actual.says}"
    yield from _unjudged(judgement)
    if skipped := judgement.not_applicable:
        yield f"not applicable: {_count(len(skipped), 'clause')}"
    if judgement.known:
        yield f"in the baseline: {_count(judgement.known, 'finding')}"


def _headline(judgement: TruthReport) -> str:
    """The counts, before anything else."""
    places = len({(entry.at, entry.reason) for entry in judgement.unjudged})
    aside = len(judgement.not_applicable)
    unproven = judgement.count(Outcome.UNPROVEN) - aside
    counts = [
        f"{judgement.count(Outcome.BROKEN)} broken ({_count(len(judgement.findings), 'finding')})",
        f"{judgement.count(Outcome.KEPT)} kept",
        f"{unproven} unproven ({_count(places, 'place')} not judged)",
        f"{aside} not applicable",
    ]
    files = _count(judgement.files, "file")
    unread = f", {len(judgement.unread)} not read" if judgement.unread else ""
    return f"{_count(len(judgement.verdicts), 'clause')}: {', '.join(counts)}; {files}{unread} in {judgement.seconds:.2f} s"


def _unjudged(judgement: TruthReport) -> Iterator[str]:
    """What was not judged: one line per place and reason, the rest folded to a count."""
    places = list(dict.fromkeys((entry.at, entry.reason) for entry in judgement.unjudged))
    for at, reason in places[:_SHOWN]:
        yield f"not judged: {at}: {reason}"
    if len(places) > _SHOWN:
        yield f"not judged: {len(places) - _SHOWN} more; the JSON report lists them"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _details(judgement: TruthReport) -> dict[str, Any]:
    """The contents of a checkout's JSON document other than its verdicts."""
    return {
        "files": judgement.files,
        "known": judgement.known,
        "findings": [_finding(finding) for finding in judgement.findings],
        "waived": [_finding(finding) for finding in judgement.waived],
        "unjudged": [
            {
                "clause": entry.clause,
                "file": entry.at.file,
                "line": entry.at.line,
                "reason": entry.reason,
            }
            for entry in judgement.unjudged
        ],
        "not_applicable": [verdict.clause for verdict in judgement.not_applicable],
        "assumed": [
            {
                "area": assumption.area,
                "fact": assumption.fact,
                "clauses": list(assumption.clauses),
                "reason": assumption.reason,
                "at": str(assumption.source),
            }
            for assumption in judgement.assumptions
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "clause": finding.clause,
        "promise": finding.promise,
        "why": finding.why,
        "ground": finding.ground,
        "here": _side(finding.actual),
        "there": _side(finding.expected),
        "mend": finding.fix,
        "fingerprint": finding.fingerprint,
    }


def _side(side: Quote) -> dict[str, Any]:
    return {"file": side.at.file, "line": side.at.line, "column": side.at.column, "says": side.says}
