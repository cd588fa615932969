"""A run as one JSON document."""

from __future__ import annotations

import json
from typing import Any

from builder_contracts.reporting.tally import count
from builder_contracts.reporting.verdict_data import to_data
from builder_contracts.reporting.whole_file import RunRecord
from builder_contracts.verdict import Outcome, as_json

SCHEMA = "builder-contracts/report/v2"


def render(record: RunRecord) -> str:
    """The run's facts, its verdicts, and what it could not read."""
    info, summary, counts = record.info, record.summary, count(record.verdicts)
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "command": info.command,
        "run": info.run,
        "root": str(info.root),
        "started": info.started,
        "seconds": round(summary.seconds, 3),
        "exit_code": int(summary.exit_code),
        "interrupted": summary.interrupted,
        "counts": {outcome.value: counts[outcome] for outcome in Outcome},
        "verdicts": [to_data(verdict) for verdict in record.verdicts],
        "unread": [{"path": item.path, "reason": item.reason} for item in summary.skipped],
        **summary.details,
    }
    return _lines(as_json(data))


def _lines(data: dict[str, Any]) -> str:
    """JSON with an entry of a list on each line: as fast to write as none, and still to be read and searched."""
    parts: list[str] = []
    for key, value in data.items():
        if isinstance(value, list) and value:
            items = ",\n  ".join(json.dumps(item, ensure_ascii=False) for item in value)
            text = f"[\n  {items}\n ]"
        else:
            text = json.dumps(value, ensure_ascii=False)
        parts.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"
