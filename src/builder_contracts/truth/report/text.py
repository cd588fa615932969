"""A judgement for a person at a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from builder_contracts.truth.finding import Finding
from builder_contracts.truth.platform import ASSUMED
from builder_contracts.truth.verdicts import TruthReport
from builder_contracts.verdict import Outcome, Verdict

Paint = Callable[[str, str], str]
"""Text and the colour that it has on a terminal."""

_COLOURS = {
    Outcome.KEPT: "green",
    Outcome.BROKEN: "red",
    Outcome.UNPROVEN: "yellow",
    Outcome.WAIVED: "yellow",
}


def render(
    judgement: TruthReport, *, verbose: bool = False, paint: Paint = lambda text, _: text
) -> Iterator[str]:
    """The lines of the report: what is broken with both sides, what is unproven, and the count of each area."""
    for finding in judgement.findings:
        yield from describe(finding, paint)
    for verdict in judgement.verdicts:
        if verdict.outcome is Outcome.BROKEN and not verdict.witnesses:
            yield from _verdict(verdict, paint)
    shown = [
        v
        for v in judgement.verdicts
        if v.outcome in (Outcome.UNPROVEN, Outcome.WAIVED) and (v.here or verbose)
    ]
    for verdict in shown:
        yield f"{paint(verdict.outcome.value.upper().ljust(8), _COLOURS[verdict.outcome])}  {verdict.clause}: {verdict.seen}"
    if verbose:
        for verdict in judgement.verdicts:
            if verdict.outcome is Outcome.KEPT:
                yield f"{paint('KEPT    ', 'green')}  {verdict.clause}: {verdict.seen}"
    if judgement.unread:
        limit = len(judgement.unread) if verbose else 10
        yield f"not read ({len(judgement.unread)}):"
        yield from (f"  {one.path}: {one.reason}" for one in judgement.unread[:limit])
        if len(judgement.unread) > limit:
            yield f"  … and {len(judgement.unread) - limit} more (--verbose)"
    if judgement.assumptions:
        yield f"{ASSUMED} ({len(judgement.assumptions)}):"
        yield from (f"  {one.source}  {one.area}: {one.fact}: {one.reason}" for one in judgement.assumptions)
    yield from _summary(judgement, paint)


def describe(finding: Finding, paint: Paint = lambda text, _: text) -> Iterator[str]:
    """A contradiction: what was promised, both sides with their lines, why it matters and the mend."""
    local = finding.clause.removeprefix("platform/")
    yield f"{finding.here.at}  {local}  {paint('BROKEN', 'red')}"
    yield f"  promised  {finding.promise}"
    yield f"  here      {finding.here.says}"
    yield f"  there     {finding.there.says}   ({finding.there.at})"
    for line, reason in enumerate(finding.reasons):
        yield f"  {'' if line else 'why':10}{reason}"
    yield f"  mend      {finding.mend}"
    yield ""


def _verdict(verdict: Verdict, paint: Paint) -> Iterator[str]:
    yield f"{verdict.source}  {verdict.clause}  {paint('BROKEN', 'red')}"
    yield f"  promised  {verdict.promised}"
    yield f"  here      {verdict.seen}"
    if verdict.why:
        yield f"  why       {verdict.why}"
    yield f"  mend      {verdict.likely}"
    yield ""


def _summary(judgement: TruthReport, paint: Paint) -> Iterator[str]:
    groups: dict[str, Counter[Outcome]] = {}
    for verdict in judgement.verdicts:
        builder, kind, _ = verdict.clause.split("/", 2)
        groups.setdefault(kind if builder == "platform" else builder, Counter())[verdict.outcome] += 1
    width = max(map(len, groups), default=0)
    for name, counts in groups.items():
        worst = next(
            one for one in (Outcome.BROKEN, Outcome.UNPROVEN, Outcome.WAIVED, Outcome.KEPT) if counts[one]
        )
        parts = [f"{counts[one]:3} {one.value}" for one in Outcome if counts[one] or one is Outcome.KEPT]
        yield f"{paint(name.ljust(width), _COLOURS[worst])}  {'  '.join(parts)}"
    known = f", {judgement.known} known by the baseline" if judgement.known else ""
    yield (
        f"{judgement.files} files in {judgement.seconds:.2f} s: {len(judgement.findings)} findings{known}, "
        f"{judgement.count(Outcome.KEPT)} clauses kept, {judgement.count(Outcome.BROKEN)} broken, "
        f"{judgement.count(Outcome.UNPROVEN)} unproven"
    )
