"""SARIF 2.1.0, in the form that code hosts read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from builder_contracts import __version__
from builder_contracts.errors import Location
from builder_contracts.reporting.located_results import LocatedResult, located_results
from builder_contracts.reporting.whole_file import RunRecord
from builder_contracts.verdict import Outcome, Verdict, as_json

FINGERPRINT = "builderContracts/v2"


def render(record: RunRecord) -> str:
    """Broken clauses as results; unchecked clauses as notifications of the run.

    What is waived or accepted by a baseline is a notification too: code hosts show results that are marked as
    suppressed all the same (https://github.com/github/codeql-action/issues/1230).
    """
    results = list(located_results(record.verdicts, record.info.root))
    rules = {result.verdict.clause: _rule(result.verdict) for result in results}
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "builder-contracts",
                        "semanticVersion": __version__,
                        "rules": list(rules.values()),
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(result) for result in results],
                "invocations": [_invocation(record)],
            }
        ],
    }
    return json.dumps(as_json(log), indent=1, ensure_ascii=False) + "\n"


def _invocation(record: RunRecord) -> dict[str, Any]:
    invocation: dict[str, Any] = {
        # Not whether promises are kept, but whether everything that was asked for could be checked.
        "executionSuccessful": not record.summary.skipped
        and not record.summary.interrupted
        and not any(_could_not_look(verdict) for verdict in record.verdicts),
        "exitCode": int(record.summary.exit_code),
        "toolExecutionNotifications": [
            {"level": level, "message": {"text": text}} for level, text in _notifications(record)
        ],
    }
    if record.info.started:
        started = datetime.fromisoformat(record.info.started)
        ended = started + timedelta(seconds=record.summary.seconds)
        invocation["startTimeUtc"] = _time(started)
        invocation["endTimeUtc"] = _time(ended)
    return invocation


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _could_not_look(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.UNPROVEN and verdict.provable_here


def _notifications(record: RunRecord) -> Iterator[tuple[str, str]]:
    for verdict in record.verdicts:
        text = f"{verdict.clause}: {verdict.observation}"
        if verdict.outcome is Outcome.UNPROVEN:
            yield "warning" if verdict.provable_here else "note", f"unproven: {text}"
        elif verdict.outcome is Outcome.WAIVED:
            yield "note", f"waived: {text}"
    for item in record.summary.skipped:
        yield "warning", f"skipped: {item.path}: {item.reason}"
    for note in record.summary.notes:
        yield "note", note
    if record.summary.interrupted:
        yield "error", "interrupted: clauses after this point were not judged"


def _rule(verdict: Verdict) -> dict[str, Any]:
    return {
        "id": verdict.clause,
        "name": "".join(word.capitalize() for word in re.split(r"[/-]", verdict.clause)),
        "shortDescription": {"text": verdict.promise},
        "help": {"text": " ".join(verdict.why.split()) or verdict.promise},
    }


def _result(result: LocatedResult) -> dict[str, Any]:
    text = f"{result.text}. Fix: {result.fix}." if result.fix else f"{result.text}."
    data: dict[str, Any] = {
        "ruleId": result.verdict.clause,
        "level": "error",
        "message": {"text": text},
        "locations": [_location(result.path, result.location)],
        # GitHub reads the first of them; the number distinguishes equal lines of one file.
        "partialFingerprints": {"primaryLocationLineHash": result.key, FINGERPRINT: result.key},
    }
    if result.related is not None:
        related = _location(result.related.file, result.related)
        data["relatedLocations"] = [{**related, "id": 1, "message": {"text": result.related_text}}]
    return data


def _location(path: str, location: Location) -> dict[str, Any]:
    uri = path if "://" in path else Path(path).as_uri() if path.startswith("/") else quote(path)
    region = {"startLine": location.line, "startColumn": location.column}
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}
