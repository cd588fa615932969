"""A judgement for tools: JSON, SARIF 2.1.0 and JUnit XML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from builder_contracts import __version__
from builder_contracts.evidence import record
from builder_contracts.truth.finding import Finding, Quote
from builder_contracts.truth.verdicts import TruthReport
from builder_contracts.verdict import Outcome, Verdict

SCHEMA = "builder-contracts/truth/v1"
# What XML 1.0 cannot hold.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_json(judgement: TruthReport) -> str:
    """Findings with both sides, verdicts as evidence records have them, and what was not read."""
    data = {
        "schema": SCHEMA,
        "root": judgement.root,
        "files": judgement.files,
        "seconds": round(judgement.seconds, 3),
        "counts": {outcome.value: judgement.count(outcome) for outcome in Outcome},
        "known": judgement.known,
        "findings": [_finding(one) for one in judgement.findings],
        "waived": [_finding(one) for one in judgement.waived],
        "verdicts": [record.to_record(verdict) for verdict in judgement.verdicts],
        "assumed": [
            {
                "area": one.area,
                "fact": one.fact,
                "clauses": list(one.clauses),
                "reason": one.reason,
                "at": str(one.source),
            }
            for one in judgement.assumptions
        ],
        "unread": [{"path": one.path, "reason": one.reason} for one in judgement.unread],
    }
    return _lines(data)


def _lines(data: dict[str, Any]) -> str:
    """JSON with an entry of a list on each line: as fast to write as none, and still to be read and searched."""
    parts: list[str] = []
    for key, value in data.items():
        if isinstance(value, list) and value:
            shown = "[\n  " + ",\n  ".join(json.dumps(one, ensure_ascii=False) for one in value) + "\n ]"
        else:
            shown = json.dumps(value, ensure_ascii=False)
        parts.append(f" {json.dumps(key)}: {shown}")
    return "{\n" + ",\n".join(parts) + "\n}"


def _finding(finding: Finding) -> dict[str, Any]:
    def side(one: Quote) -> dict[str, Any]:
        return {"file": one.at.file, "line": one.at.line, "column": one.at.column, "says": one.says}

    return {
        "clause": finding.clause,
        "promise": finding.promise,
        "why": finding.why,
        "ground": finding.ground,
        "here": side(finding.here),
        "there": side(finding.there),
        "mend": finding.mend,
        "fingerprint": finding.fingerprint,
    }


def to_sarif(judgement: TruthReport) -> str:
    """SARIF 2.1.0, as code hosts read it; the other side of a contradiction is a related location.

    What is waived or known by a baseline is a note of the run and no result: code hosts show results that are
    marked as suppressed all the same (https://github.com/github/codeql-action/issues/1230).
    """
    rules: dict[str, dict[str, Any]] = {}
    results: list[dict[str, Any]] = []
    for finding in judgement.findings:
        rules.setdefault(finding.clause, _rule(finding.clause, finding.promise, " ".join(finding.reasons)))
        results.append(
            {
                "ruleId": finding.clause,
                "level": "error",
                "message": {"text": f"{finding.here.says}; {finding.there.says}. Mend: {finding.mend}."},
                "locations": [_location(finding.here)],
                "relatedLocations": [
                    {**_location(finding.there), "id": 1, "message": {"text": finding.there.says}}
                ],
                "partialFingerprints": {"builderContracts/v1": finding.fingerprint},
            }
        )
    for verdict in judgement.verdicts:
        if verdict.outcome is Outcome.BROKEN and not verdict.witnesses:
            rules.setdefault(verdict.clause, _rule(verdict.clause, verdict.promised, verdict.why))
            results.append(
                {
                    "ruleId": verdict.clause,
                    "level": "error",
                    "message": {
                        "text": f"promised {verdict.promised}; seen {verdict.seen}. {verdict.likely}"
                    },
                    "locations": [_place(verdict)],
                }
            )
    driver = {
        "name": "builder-contracts",
        "semanticVersion": __version__,
        "rules": list(rules.values()),
    }
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": results,
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": [
                            {"level": "note", "message": {"text": note}} for note in _notes(judgement)
                        ],
                    }
                ],
            }
        ],
    }
    return json.dumps(log, indent=1, ensure_ascii=False)


def _notes(judgement: TruthReport) -> Iterator[str]:
    for one in judgement.waived:
        yield f"waived: {one.clause}: {one.here.at}: {one.here.says}"
    if judgement.known:
        yield f"known by the baseline: {judgement.known} findings"
    for unread in judgement.unread:
        yield f"not read: {unread.path}: {unread.reason}"


def _rule(clause: str, promise: str, why: str) -> dict[str, Any]:
    name = "".join(word.capitalize() for word in re.split(r"[/-]", clause))
    return {
        "id": clause,
        "name": name,
        "shortDescription": {"text": promise},
        "help": {"text": why or promise},
    }


def _location(side: Quote) -> dict[str, Any]:
    region = {"startLine": side.at.line, "startColumn": side.at.column}
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(side.at.file)}, "region": region}}


def _place(verdict: Verdict) -> dict[str, Any]:
    where = verdict.look.removeprefix("see ") or verdict.source
    file, _, line = where.rpartition(":")
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(file or where)},
            "region": {"startLine": int(line) if line.isdecimal() else 1},
        }
    }


def _uri(path: str) -> str:
    from urllib.parse import quote

    return path if "://" in path else quote(path)


def to_junit(judgement: TruthReport) -> str:
    """JUnit XML with the properties that the pytest face writes."""
    verdicts = judgement.verdicts
    failures, errors = judgement.count(Outcome.BROKEN), sum(_is_error(verdict) for verdict in verdicts)
    skipped = sum(
        v.outcome is Outcome.WAIVED or (v.outcome is Outcome.UNPROVEN and not v.here) for v in verdicts
    )
    counts = {"tests": len(verdicts), "failures": failures, "errors": errors, "skipped": skipped}
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(suites, "testsuite", name="truth", time=f"{judgement.seconds:.3f}")
    for name, count in counts.items():
        suite.set(name, str(count))
    for verdict in verdicts:
        builder, _, local = verdict.clause.partition("/")
        case = ElementTree.SubElement(
            suite, "testcase", classname=builder, name=local, time=f"{verdict.seconds:.3f}"
        )
        properties = ElementTree.SubElement(case, "properties")
        for key, value in record.to_properties(verdict):
            ElementTree.SubElement(properties, "property", name=key, value=_xml(value))
        said = _xml(verdict.seen)
        if verdict.outcome is Outcome.BROKEN:
            ElementTree.SubElement(case, "failure", message=said).text = _xml(record.render(verdict))
        elif _is_error(verdict):
            ElementTree.SubElement(case, "error", message=said).text = _xml(record.render(verdict))
        elif verdict.outcome is not Outcome.KEPT:
            ElementTree.SubElement(case, "skipped", message=f"{verdict.outcome.value}: {said}")
    ElementTree.indent(suites)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"
    )


def _is_error(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.UNPROVEN and verdict.here


def _xml(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
