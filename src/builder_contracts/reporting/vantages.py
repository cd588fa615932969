"""One table for the same contract from several vantages: which clauses differ, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from builder_contracts.verdict import Outcome, Verdict

_NOT_JUDGED = "-"


@dataclass(frozen=True)
class ComparedClause:
    """A clause with its verdict from each vantage that judged it, by the name of the vantage."""

    clause: str
    verdicts: Mapping[str, Verdict]

    def differs(self, vantages: Sequence[str]) -> bool:
        """Whether two vantages give it different outcomes, or one of them none."""
        return len({self.verdicts[name].outcome if name in self.verdicts else None for name in vantages}) > 1


def compare(verdicts: Mapping[str, Sequence[Verdict]]) -> list[ComparedClause]:
    """The clauses that any vantage judged, in the order of the contract."""
    by_clause: dict[str, dict[str, Verdict]] = {}
    for vantage, judged in verdicts.items():
        for verdict in judged:
            by_clause.setdefault(verdict.clause, {})[vantage] = verdict
    return [ComparedClause(clause, judged) for clause, judged in by_clause.items()]


def comparison(verdicts: Mapping[str, Sequence[Verdict]]) -> Iterator[str]:
    """The lines of the table: what differs with its reasons, and how many clauses do not. None of one vantage alone."""
    if len(verdicts) < 2:
        return
    vantages, clauses = list(verdicts), compare(verdicts)
    differing = [clause for clause in clauses if clause.differs(vantages)]
    rows = [("clause", *vantages), *((item.clause, *_cells(item, vantages)) for item in differing)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    if differing:
        yield lines[0]
    # Dozens of clauses can differ for one reason.
    for reasons, rows_alike in groupby(
        zip(differing, lines[1:], strict=True), lambda pair: _reasons(pair[0])
    ):
        yield from (line for _, line in rows_alike)
        yield from reasons
    alike = len(clauses) - len(differing)
    yield f"{len(differing)} of {len(clauses)} clauses differ between {', '.join(vantages)}; the same from each: {alike}"


def as_data(verdicts: Mapping[str, Sequence[Verdict]]) -> dict[str, Any]:
    """The table for the JSON report: outcome and rung of every clause, by vantage."""
    return {
        item.clause: {
            vantage: {
                "outcome": verdict.outcome.value,
                "rung": verdict.rung.value if verdict.rung is not None else None,
            }
            for vantage, verdict in item.verdicts.items()
        }
        for item in compare(verdicts)
    }


def _reasons(item: ComparedClause) -> tuple[str, ...]:
    """Why a vantage does not keep it, a line each."""
    return tuple(
        f"    {vantage}: {'; '.join(filter(None, (verdict.observation, verdict.cause)))}"
        for vantage, verdict in item.verdicts.items()
        if verdict.outcome is not Outcome.KEPT
    )


def _cells(item: ComparedClause, vantages: Sequence[str]) -> list[str]:
    """What each vantage shows; a kept clause with its rung, because a rung is no stronger than its vantage."""
    return [_cell(item.verdicts[name]) if name in item.verdicts else _NOT_JUDGED for name in vantages]


def _cell(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.KEPT and verdict.rung is not None:
        return f"kept {verdict.rung.value}"
    return verdict.outcome.value
