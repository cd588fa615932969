"""Convert the results of rules into verdicts: one per clause, with its findings."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from builder_contracts.contract.model import Contract
from builder_contracts.errors import Location
from builder_contracts.truth import deployed_builders
from builder_contracts.truth.checkout import Unread
from builder_contracts.truth.checkout_scan import scan_checkout
from builder_contracts.truth.deployment_inputs import add_deployment
from builder_contracts.truth.finding import (
    Absent,
    Agrees,
    Contradicts,
    Finding,
    Quote,
    RuleResult,
    Undetermined,
)
from builder_contracts.truth.model import Model
from builder_contracts.truth.other_checkouts import NO_OTHERS, OtherCheckouts
from builder_contracts.truth.platform import ASSUMED, Assumption, Platform, PlatformClause
from builder_contracts.truth.readers.workflows import is_action, is_pipeline, is_workflow
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import RULES, build_search_words
from builder_contracts.verdict import Assessment, Origin, Outcome, Rung, Verdict

if TYPE_CHECKING:
    from builder_contracts.truth.tracker import Tracker

CONSUMER = tuple(f"platform/{rule.id}" for rule in RULES.values() if rule.scope == "any" and
                 (rule.area in ("workflows", "endpoints") or rule.id == "lifecycle/deadlines"))  # fmt: skip
"""Clauses about a repository that only uses the platform's runners."""


NOT_APPLICABLE = "not applicable: "
"""How the observation of a clause begins for which the checkout has nothing to look at."""


@dataclass(frozen=True)
class Unjudged:
    """A candidate that a clause is about and that was not judged, and why."""

    clause: str
    at: Location
    reason: str


@dataclass(frozen=True)
class TruthReport:
    """The answer to everything: verdicts, the findings behind them, and what could not be read."""

    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    waived: tuple[Finding, ...]
    unread: tuple[Unread, ...]
    files: int
    seconds: float
    root: str
    known: int = field(default=0)
    assumptions: tuple[Assumption, ...] = ()
    unjudged: tuple[Unjudged, ...] = ()

    def findings_of(self, verdict: Verdict) -> list[Finding]:
        """The contradictions behind a verdict."""
        witnesses = frozenset(verdict.witnesses)
        return [
            finding
            for finding in self.findings
            if finding.clause == verdict.clause and finding.witness in witnesses
        ]

    def count(self, outcome: Outcome) -> int:
        return sum(verdict.outcome is outcome for verdict in self.verdicts)

    @property
    def not_applicable(self) -> tuple[Verdict, ...]:
        """The verdicts of clauses for which the checkout has nothing to look at."""
        return tuple(verdict for verdict in self.verdicts if verdict.observation.startswith(NOT_APPLICABLE))

    @property
    def platform(self) -> tuple[Verdict, ...]:
        """The verdicts on the platform's own clauses."""
        return tuple(verdict for verdict in self.verdicts if verdict.clause.startswith("platform/"))


def judge(
    root: Path,
    platform: Platform,
    contracts: Iterable[Contract],
    *,
    tracker: Tracker | None = None,
    only: Iterable[str] | None = None,
    today: date | None = None,
    rendered: Iterable[Path] = (),
    plans: Iterable[Path] = (),
    renders_charts: bool = False,
    others: OtherCheckouts = NO_OTHERS,
) -> TruthReport:
    """Judge a checkout, with manifests and plans that are known of its deployment, and checkouts of what it uses. ``only`` limits the platform's clauses to these ids; classes are then left out."""
    begun = datetime.now(UTC)
    given = tuple(contracts)
    model = scan_checkout(root, build_search_words(platform, given), others)
    add_deployment(model, rendered, plans, root if renders_charts else None)
    context = RuleContext(platform, model, given, tracker)
    return judge_model(context, begun=begun, root=str(root), only=only, today=today or begun.date())


def judge_model(
    context: RuleContext, *, begun: datetime, root: str, only: Iterable[str] | None, today: date
) -> TruthReport:
    """Judge what was read."""
    selected = None if only is None else set(only)
    started = begun.strftime("%Y-%m-%dT%H:%M:%SZ")
    verdicts: list[Verdict] = []
    findings: list[Finding] = []
    waived: list[Finding] = []
    unjudged: list[Unjudged] = []
    for clause in context.platform.clauses:
        if selected is not None and clause.id not in selected:
            continue
        verdict, broken, excused, open_questions = _judge_clause(clause, context, today, started)
        verdicts.append(verdict)
        unjudged += open_questions
        findings += broken
        waived += excused
    # Several scale sets can inherit one line: what they contradict is one finding.
    contradictions: dict[Finding, None] = {}
    if selected is None:
        for verdict, contradiction in deployed_builders.judge_deployed_builders(context, today):
            verdicts.append(verdict)
            if contradiction is not None:
                contradictions[contradiction] = None
    seconds = (datetime.now(UTC) - begun).total_seconds()
    model: Model = context.model
    return TruthReport(
        tuple(verdicts),
        (*findings, *contradictions),
        tuple(waived),
        tuple(model.unread),
        model.files,
        seconds,
        root,
        assumptions=_assumptions(context.platform, verdicts),
        unjudged=tuple(unjudged),
    )


def _assumptions(platform: Platform, verdicts: Iterable[Verdict]) -> tuple[Assumption, ...]:
    """The assumptions that some verdict relies on."""
    decided = {verdict.clause for verdict in verdicts if verdict.outcome is not Outcome.UNPROVEN}
    return tuple(
        assumption
        for assumption in platform.assumptions
        if any(f"platform/{assumption.area}/{clause}" in decided for clause in assumption.clauses)
    )


def _judge_clause(
    clause: PlatformClause, context: RuleContext, today: date, started: str
) -> tuple[Verdict, list[Finding], list[Finding], list[Unjudged]]:
    rule = RULES[clause.id.partition("/")[2]]
    facts = context.facts("identity")
    if rule.scope == "own" and not context.ours:
        reason = f"{NOT_APPLICABLE}not the repository of {facts.get('name', default='the platform')}"
        return _verdict(clause, context, Outcome.UNPROVEN, reason, started, decidable=False), [], [], []
    if clause.area == "planning" and context.tracker is None:
        reason = "no tracker export (pass --planning FILE)"
        return _verdict(clause, context, Outcome.UNPROVEN, reason, started, decidable=False), [], [], []
    seen = list(dict.fromkeys((*rule.check(context), *_unreadable(rule.area, context.model))))
    if context.model.files == 0:
        # A search through no file shows no absence.
        seen = [result for result in seen if not isinstance(result, Absent)]
    broken = _distinct_findings(clause, seen)
    excused = [
        finding
        for finding in broken
        if clause.waiver and today <= clause.waiver.until and clause.waiver.covers(finding.actual.at.file)
    ]
    excused_set = frozenset(excused)
    open_findings = [finding for finding in broken if finding not in excused_set]
    outcome, summary, decidable = _outcome(seen, open_findings, excused, clause, today)
    fix = open_findings[0].fix if open_findings else ""
    likely = ""
    if outcome is Outcome.WAIVED and clause.waiver is not None:
        likely = f"waived until {clause.waiver.until}: {clause.waiver.reason}"
    # A search without a hit looked at the checkout and at no candidate.
    candidates = [result for result in seen if not isinstance(result, Absent)]
    checked = sum(not isinstance(result, Undetermined) for result in candidates)
    witnesses = tuple(finding.witness for finding in open_findings)
    return (
        _verdict(
            clause,
            context,
            outcome,
            summary,
            started,
            decidable=decidable,
            likely=likely,
            fix=fix,
            witnesses=witnesses,
            checked=checked,
            total=len(candidates),
        ),
        open_findings,
        excused,
        [
            Unjudged(clause.id, result.at, result.reason)
            for result in seen
            if isinstance(result, Undetermined)
        ],
    )


def _unreadable(area: str, model: Model) -> Iterator[Undetermined]:
    """Files of CI that could not be read: what their jobs do is not known."""
    for unread in model.unread if area == "workflows" else ():
        if any(reads(unread.path) for reads in (is_workflow, is_action, is_pipeline)):
            line = re.search(r"at line (\d+)", unread.reason)
            at = Location(unread.path, int(line[1]) if line else 1)
            yield Undetermined(at, f"cannot read the file: {unread.reason}")


def _distinct_findings(clause: PlatformClause, seen: list[RuleResult]) -> list[Finding]:
    """One finding for each pair of lines: what many scale sets inherit from one line is fixed there once."""
    findings: dict[tuple[object, object, str], Finding] = {}
    for observation in seen:
        if isinstance(observation, Contradicts):
            expected = observation.expected
            if clause.assumed and expected.at.file == clause.source.file:
                expected = Quote(expected.at, f"{expected.says} ({ASSUMED})")
            finding = Finding(
                clause.id,
                clause.promise,
                clause.why,
                str(clause.ground or ""),
                observation.actual,
                expected,
                observation.fix,
            )
            findings.setdefault((observation.actual.at, observation.expected.at, observation.fix), finding)
    return list(findings.values())


def _outcome(
    seen: list[RuleResult], broken: list[Finding], excused: list[Finding], clause: PlatformClause, today: date
) -> tuple[Outcome, str, bool]:
    expired = clause.waiver is not None and today > clause.waiver.until
    if broken:
        first = broken[0].actual
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        late = f"; its waiver expired on {clause.waiver.until}" if expired and clause.waiver else ""
        return Outcome.BROKEN, f"{first.at}: {first.says}{more}{late}", True
    if expired and clause.waiver:
        return (
            Outcome.BROKEN,
            f"the waiver at {clause.waiver.source} expired on {clause.waiver.until} and is no longer needed",
            True,
        )
    if excused:
        return Outcome.WAIVED, f"{excused[0].actual.at}: {excused[0].actual.says}", True
    blind = [observation for observation in seen if isinstance(observation, Undetermined)]
    if blind:
        more = f" and {len(blind) - 1} more" if len(blind) > 1 else ""
        blind.sort(key=lambda observation: not observation.decidable)
        judged = f"; {len(seen) - len(blind)} of {len(seen)} judged" if len(seen) > 1 else ""
        return Outcome.UNPROVEN, f"{blind[0].at}: {blind[0].reason}{more}{judged}", blind[0].decidable
    agreeing = list(dict.fromkeys(observation.at for observation in seen if isinstance(observation, Agrees)))
    absent = [observation for observation in seen if isinstance(observation, Absent)]
    if agreeing:
        places = "1 place agrees" if len(agreeing) == 1 else f"{len(agreeing)} places agree"
        by = f"; relies on {', '.join(clause.assumed)}: {ASSUMED}" if clause.assumed else ""
        return Outcome.KEPT, f"{places}, first {agreeing[0]}{by}", True
    if absent:
        return Outcome.KEPT, absent[0].searched, True
    return Outcome.UNPROVEN, f"{NOT_APPLICABLE}nothing here mentions it", False


def _verdict(
    clause: PlatformClause, context: RuleContext, outcome: Outcome, seen: str, started: str, *, decidable: bool = True, likely: str = "",
    fix: str = "", witnesses: tuple[str, ...] = (), checked: int | None = None, total: int | None = None,
) -> Verdict:  # fmt: skip
    assessment = Assessment(
        outcome, seen, likely, provable_here=decidable, fix=fix, checked=checked, total=total
    )
    verdict = Verdict.of(
        clause,
        assessment,
        Origin(contract_digest=context.platform.digest, runner="checkout", started=started),
        rung=Rung.DECLARED,
        witnesses=witnesses,
    )
    ground = f" ({clause.ground})" if clause.ground is not None else ""
    return dataclasses.replace(verdict, why=f"{clause.why}{ground}")
