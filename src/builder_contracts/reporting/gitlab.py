"""GitLab's code quality report: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format."""

from __future__ import annotations

import json
from typing import Any

from builder_contracts.reporting.located_results import LocatedResult, located_results
from builder_contracts.reporting.whole_file import RunRecord
from builder_contracts.verdict import as_json


def render(record: RunRecord) -> str:
    """The broken clauses in the repository; GitLab cannot show locations outside it."""
    results = located_results(record.verdicts, record.info.root)
    issues = [_issue(result) for result in results if result.inside]
    return json.dumps(as_json(issues), indent=1, ensure_ascii=False) + "\n"


def _issue(result: LocatedResult) -> dict[str, Any]:
    fix = f"; fix: {result.fix}" if result.fix else ""
    return {
        "description": f"{result.text}{fix}",
        "check_name": result.verdict.clause,
        # GitLab shows one issue per fingerprint.
        "fingerprint": result.key,
        "severity": "major",
        "location": {"path": result.path, "lines": {"begin": result.location.line}},
    }
