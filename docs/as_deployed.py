"""Keep what differs between the engine and a cluster in the JSON report of a check from both, and show it as a page.

script/vantages runs the check and this program with the report; the page needs neither.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

SAVED = Path(__file__).parent / "reference" / "as-deployed.json"
VANTAGES = ("docker", "kubernetes")


def evidence(report: Mapping[str, Any]) -> dict[str, Any]:
    """The clauses of a report whose outcome or rung differs between the two vantages, and from what they were judged."""
    verdicts: dict[str, dict[str, Mapping[str, Any]]] = {}
    for verdict in report["verdicts"]:
        verdicts.setdefault(verdict["clause"], {})[verdict["runner"]] = verdict
    differing = {
        clause: by for clause, by in verdicts.items() if _cell(by["docker"]) != _cell(by["kubernetes"])
    }
    return {
        "date": report["started"][:10],
        "places": {name: next(iter(verdicts.values()))[name]["engine"] for name in VANTAGES},
        "clauses": len(verdicts),
        "differing": [
            {"clause": clause, **{name: _cell(by[name]) for name in VANTAGES}, "why": _why(by)}
            for clause, by in differing.items()
        ],
    }


def _cell(verdict: Mapping[str, Any]) -> str:
    if verdict["outcome"] != "kept":
        return str(verdict["outcome"])
    return f"kept {verdict['rung']}" + (", set by the run" if verdict["set_by_run"] else "")


def _why(by: Mapping[str, Mapping[str, Any]]) -> str:
    reasons = [
        "; ".join(filter(None, (by[name]["observation"], by[name]["cause"])))
        for name in VANTAGES
        if by[name]["outcome"] != "kept"
    ]
    if not reasons:
        assert by["docker"]["set_by_run"], "a difference of rungs that nothing explains"
        reasons = [
            "the run itself gives this to its container; a pod has it from its template or its cluster"
        ]
    return "; ".join(reasons)


def saved() -> dict[str, Any]:
    """The evidence as it was saved."""
    data: dict[str, Any] = json.loads(SAVED.read_text("utf-8"))
    return data


def page_part() -> str:
    """The differences as a table of Markdown: clauses that differ alike share a row."""
    data = saved()
    differing: Sequence[Mapping[str, str]] = data["differing"]
    places = data["places"]
    lines = [
        f"On {data['date']}, {places['docker']} and {places['kubernetes']}: "
        f"{len(differing)} of {data['clauses']} clauses differ.",
        "",
        "| clauses | of | docker | pod | why |",
        "|---|---|---|---|---|",
    ]

    def alike(row: Mapping[str, str]) -> tuple[str, ...]:
        return row["docker"], row["kubernetes"], row["why"]

    for key, rows in groupby(sorted(differing, key=alike), alike):
        classes: dict[str, set[str]] = {}
        for row in rows:
            builder, _, local_id = row["clause"].partition("/")
            classes.setdefault(local_id, set()).add(builder)
        by_classes: dict[tuple[str, ...], list[str]] = {}
        for local_id, builders in classes.items():
            by_classes.setdefault(tuple(sorted(builders)), []).append(f"`{local_id}`")
        for of, names in by_classes.items():
            cells = (", ".join(names), ", ".join(of), *key)
            lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    new = evidence(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    SAVED.write_text(json.dumps(new, indent=1) + "\n", "utf-8")
