"""Clauses whose verdict changes although the recorded image and contract do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from builder_contracts.dashboard.analysis.status import ClauseStatus, package_digest
from builder_contracts.dashboard.history.series import RecordedRun, RecordedVerdict
from builder_contracts.verdict import Outcome


@dataclass(frozen=True)
class Flake:
    """A clause that was kept in one run and not in the next, while image and contract did not change.

    ``changes`` counts that, also the other way about; ``pairs`` are the chances it had (two runs one after
    the other on the same digests). One change can be the environment's doing; there and back is a flake.
    ``latest`` is the answer after the latest change, ``bad`` the one of that change that was not kept.
    """

    report: ClauseStatus
    changes: int
    pairs: int
    latest: RecordedVerdict
    bad: RecordedVerdict

    @property
    def rate(self) -> float:
        return self.changes / self.pairs

    @property
    def image_known(self) -> bool:
        """Whether the image of its latest change is known, or what was installed there at least."""
        return bool(self.latest.run.image_digest or package_digest(self.latest.run))


def find_flakes(clauses: Sequence[ClauseStatus]) -> tuple[Flake, ...]:
    """Clauses that were kept and not kept on the same image and contract, the most often changed first."""
    flakes = []
    for clause in clauses:
        pairs = 0
        changed = []
        for before, after in pairwise(clause.series.points):
            if _run_inputs(before.run) == _run_inputs(after.run):
                pairs += 1
                # Between broken and unproven nothing is known to have changed, and a waiver is a decision.
                kept = before.verdict is Outcome.KEPT
                if kept is not (after.verdict is Outcome.KEPT) and Outcome.WAIVED not in (
                    before.verdict,
                    after.verdict,
                ):
                    changed.append((after, after if kept else before))
        if changed:
            flakes.append(Flake(clause, len(changed), pairs, *changed[-1]))
    return tuple(sorted(flakes, key=lambda flake: (-flake.changes, -flake.rate, -flake.latest.run.started)))


def _run_inputs(run: RecordedRun) -> tuple[str, str, str]:
    return run.image_digest, package_digest(run), run.contract_digest
