"""Simulated nights as the JUnit files that a run would write, each marked as simulated."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from xml.sax.saxutils import quoteattr

from builder_contracts.dashboard.demo.story import SimulatedClass, SimulatedClause
from builder_contracts.errors import Location
from builder_contracts.reporting.verdict_data import to_properties
from builder_contracts.verdict import Origin, Outcome, Rung, Verdict

ENVIRONMENT = "simulated"


NIGHTS = 60


SEED = 14


_MIB = 1 << 20


def simulate_nights(
    classes: Sequence[SimulatedClass], *, last: date, count: int = NIGHTS, seed: int = SEED
) -> Iterator[tuple[str, str]]:
    """File name and JUnit text of every class on every night up to ``last``, oldest first."""
    chance = random.Random(seed)  # noqa: S311 - a story, not a secret
    for night in range(count):
        day = last - timedelta(days=count - 1 - night)
        for index, builder in enumerate(classes):
            at = datetime.combine(day, time(2, 4 + 3 * index), UTC) + timedelta(seconds=chance.randrange(90))
            verdicts = _simulate_verdicts(builder, night, at, chance)
            if night not in builder.silent:
                yield f"{day}/{builder.name}.xml", format_junit(verdicts, at)


def _simulate_verdicts(
    builder: SimulatedClass, night: int, at: datetime, chance: random.Random
) -> list[tuple[Verdict, list[tuple[str, str]]]]:
    image = max(change for change in builder.new_image if change <= night)
    contract = max((change for change in builder.new_contract if change <= night), default=0)
    verdicts = []
    for line, clause in enumerate(builder.clauses, start=12):
        kept = Verdict(
            clause=f"{builder.name}/{clause.id}",
            outcome=Outcome.KEPT,
            rung=Rung.LIVE,
            promise=clause.promised,
            observation=clause.seen,
            location=Location(f"contracts/{builder.name}.yaml", line),
            inspect=f"builder-contracts facts --contract contracts/{builder.name}.yaml --runner local",
            origin=Origin(
                image=f"registry.example/{builder.name}:nightly",
                image_digest=_invent_digest(builder.name, "image", image),
                contract_digest=_invent_digest(builder.name, "contract", contract),
                host="honey (Linux 6.12)",
                runner="local",
                environment=ENVIRONMENT,
                started=at.isoformat().replace("+00:00", "Z"),
                seconds=max(0.001, clause.seconds * (1 + chance.gauss(0, 0.1))),
            ),
        )
        verdict, extra = _simulate_measurements(kept, clause, night, chance)
        if clause.flaky and chance.random() < clause.flaky:
            verdict = replace(verdict, outcome=Outcome.BROKEN, observation=clause.flaky_seen)
        for trouble in builder.troubles:
            if trouble.first <= night < trouble.until and clause.id.startswith(tuple(trouble.clauses)):
                verdict = replace(
                    verdict, outcome=trouble.outcome, observation=trouble.seen, cause=trouble.likely
                )
                extra = []
        if verdict.outcome is Outcome.UNPROVEN:
            verdict = replace(verdict, rung=None)
        verdicts.append((verdict, extra))
    return verdicts


def _simulate_measurements(
    verdict: Verdict, clause: SimulatedClause, night: int, chance: random.Random
) -> tuple[Verdict, list[tuple[str, str]]]:
    extra = []
    for gauge in clause.gauges:
        value = gauge.read(night, chance)
        extra += [
            (f"measured.{gauge.quantity}", f"{value:.6g}"),
            (f"budget.{gauge.quantity}", f"{gauge.budget:g}"),
        ]
        over = value < gauge.budget if gauge.quantity.endswith("_ratio") else value > gauge.budget
        if gauge.quantity.endswith("_seconds"):
            verdict = replace(verdict, origin=replace(verdict.origin, seconds=value))
            if over:
                verdict = replace(
                    verdict,
                    outcome=Outcome.BROKEN,
                    observation=f"took {value:.0f} s, the budget is {gauge.budget:.0f} s",
                    cause="gradual slowdown: check the plot rather than the last change",
                )
            else:
                verdict = replace(verdict, observation=f"took {value:.0f} s of at most {gauge.budget:.0f} s")
        elif gauge is clause.gauges[0]:
            verdict = replace(verdict, observation=f"{value / _MIB:.1f} MiB")
    return replace(verdict, witnesses=(f"simulated: {clause.id} answered",) if extra else ()), extra


def _invent_digest(*parts: object) -> str:
    return f"sha256:{hashlib.sha256(repr(parts).encode()).hexdigest()}"


def format_junit(verdicts: Sequence[tuple[Verdict, list[tuple[str, str]]]], at: datetime) -> str:
    """The JUnit text of one run, as pytest writes it with this product's plugin, marked as simulated."""
    cases = []
    counts = dict.fromkeys(Outcome, 0)
    for verdict, extra in verdicts:
        counts[verdict.outcome] += 1
        builder, _, name = verdict.clause.partition("/")
        properties = "".join(
            f"<property name={quoteattr(key)} value={quoteattr(value)} />"
            for key, value in [*to_properties(verdict), *extra]
        )
        ending = ""
        if verdict.outcome is Outcome.BROKEN:
            ending = f"<failure message={quoteattr(verdict.observation)} />"
        elif verdict.outcome is Outcome.UNPROVEN:
            ending = f"<error message={quoteattr(verdict.observation)} />"
        elif verdict.outcome is Outcome.WAIVED:
            ending = f'<skipped type="pytest.skip" message={quoteattr(verdict.cause)} />'
        cases.append(
            f"<testcase classname={quoteattr(builder)} name={quoteattr(name)} "
            f'time="{verdict.origin.seconds:.3f}">'
            f"<properties>{properties}</properties>{ending}</testcase>"
        )
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<testsuites><testsuite name="pytest" tests="{len(cases)}" failures="{counts[Outcome.BROKEN]}" '
        f'errors="{counts[Outcome.UNPROVEN]}" skipped="{counts[Outcome.WAIVED]}" '
        f'timestamp="{at.isoformat()}">'
        '<properties><property name="simulated" value="true" /></properties>'
        f"{''.join(cases)}</testsuite></testsuites>\n"
    )
