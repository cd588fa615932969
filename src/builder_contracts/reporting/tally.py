"""Count verdicts by builder class, independent of any format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from builder_contracts.verdict import Outcome, Rung, Verdict


@dataclass(frozen=True)
class Reason:
    """A cause for which clauses are unproven or waived; the same cause has the same text."""

    outcome: Outcome
    text: str
    provable_here: bool
    clauses: tuple[str, ...]

    @property
    def subject(self) -> str:
        """The clauses, in few words."""
        if len(self.clauses) < 4:
            return ", ".join(self.clauses)
        return f"{len(self.clauses)} clauses including {self.clauses[0]}"


@dataclass(frozen=True)
class SummaryLine:
    """The verdicts of a builder class, or of an area of the platform, counted."""

    name: str
    counts: Counter[Outcome]
    rungs: Counter[Rung]
    set_by_run: int
    image: str
    reasons: tuple[Reason, ...]
    one_witness: int = 0

    @property
    def worst(self) -> Outcome:
        order = (Outcome.BROKEN, Outcome.UNPROVEN, Outcome.WAIVED, Outcome.KEPT)
        return next((outcome for outcome in order if self.counts[outcome]), Outcome.KEPT)

    @property
    def numbers(self) -> tuple[str, ...]:
        """``4 kept (1 declared, 1 set by this run, 2 observed)``, ``0 broken``, ``0 unproven``; waived only where some are."""
        by_strength = [
            (self.rungs[Rung.DECLARED] - self.set_by_run, "declared"),
            (self.set_by_run, "set by this run"),
            *((self.rungs[rung], rung.name.lower()) for rung in Rung if rung is not Rung.DECLARED),
        ]
        strengths = ", ".join(f"{count} {name}" for count, name in by_strength if count)
        if self.one_witness:
            strengths += f"; {self.one_witness} by one witness"
        kept = f"{self.counts[Outcome.KEPT]:3} kept" + (f" ({strengths})" if strengths else "")
        others = [f"{self.counts[outcome]} {outcome.value}" for outcome in (Outcome.BROKEN, Outcome.UNPROVEN)]
        if self.counts[Outcome.WAIVED]:
            others.append(f"{self.counts[Outcome.WAIVED]} waived")
        return kept, *others


def group_of(verdict: Verdict) -> str:
    """The builder class, or the area of the platform."""
    return verdict.section if verdict.builder == "platform" else verdict.builder


def count(verdicts: Iterable[Verdict]) -> Counter[Outcome]:
    """The number of clauses per outcome."""
    return Counter(verdict.outcome for verdict in verdicts)


def several_runners(verdicts: Iterable[Verdict]) -> bool:
    """Whether runners are compared, so that each of their clauses needs the runner's name."""
    return len({verdict.origin.runner for verdict in verdicts if verdict.origin.runner}) > 1


def runner_suffix(verdict: Verdict) -> str:
    """The runner behind the name of a class or a clause; nothing for a verdict without one."""
    return f" ({verdict.origin.runner})" if verdict.origin.runner else ""


def summarize(verdicts: Iterable[Verdict]) -> list[SummaryLine]:
    """A line per builder class, in the order of their first verdicts; and per runner, where there are several."""
    verdicts = list(verdicts)
    several = several_runners(verdicts)
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        runner = runner_suffix(verdict) if several else ""
        groups.setdefault(f"{group_of(verdict)}{runner}", []).append(verdict)
    return [_line(name, group) for name, group in groups.items()]


def _line(name: str, verdicts: list[Verdict]) -> SummaryLine:
    reasons: dict[tuple[Outcome, str, bool], list[str]] = {}
    for verdict in verdicts:
        if verdict.outcome in (Outcome.UNPROVEN, Outcome.WAIVED):
            key = (verdict.outcome, verdict.observation, verdict.provable_here)
            reasons.setdefault(key, []).append(verdict.local_id)
    images = (verdict.origin for verdict in verdicts if verdict.origin.image)
    image = next((f"{origin.image}@{origin.image_digest[:19]}" for origin in images), "")
    return SummaryLine(
        name,
        count(verdicts),
        Counter(
            verdict.rung
            for verdict in verdicts
            if verdict.outcome is Outcome.KEPT and verdict.rung is not None
        ),
        sum(verdict.outcome is Outcome.KEPT and verdict.set_by_run for verdict in verdicts),
        image,
        tuple(Reason(*key, tuple(clauses)) for key, clauses in reasons.items()),
        sum(verdict.one_witness and verdict.outcome is Outcome.KEPT for verdict in verdicts),
    )
