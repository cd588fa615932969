"""The gate: whether evidence is enough for what is about to be deployed. Pure; the clock is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from builder_contracts.attest.statement import Evidence
from builder_contracts.errors import ExitCode
from builder_contracts.verdict import CLOCK_SKEW, Rung, age_in_words

_RUNGS = list(Rung)
_NAMED = 5


@dataclass(frozen=True)
class Demand:
    """What evidence must be of, and how strong.

    ``digests`` are those of the image; one in common is enough, because each names the same bytes. ``rungs`` has a glob
    of clause IDs and the lowest rung of each clause that matches it; an empty glob is the class as a whole.
    ``contract_digest`` is empty if any version of the contract will do. ``allowed`` are globs of clauses that may be
    unproven or waived.
    """

    builder: str
    digests: frozenset[str]
    max_age: timedelta
    rungs: tuple[tuple[str, Rung], ...] = ()
    contract_digest: str = ""
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """A reason why evidence is not enough, and what to do about it."""

    code: ExitCode
    reason: str
    fix: str


def refusals(evidence: Evidence, demand: Demand, now: datetime) -> list[Refusal]:
    """Every reason against the evidence; none if it is enough."""
    return [
        *_of_another(evidence, demand),
        *_untimely(evidence, demand, now),
        *_incomplete(evidence),
        *_not_kept(evidence, demand),
        *(refusal for glob, rung in demand.rungs for refusal in _too_weak(evidence, glob, rung)),
    ]


def exit_code(reasons: Sequence[Refusal]) -> ExitCode:
    """The exit code for these reasons: what cannot be believed says nothing about clauses."""
    codes = {refusal.code for refusal in reasons}
    order = (ExitCode.REFUSED, ExitCode.BROKEN, ExitCode.UNPROVEN, ExitCode.NOTHING_SELECTED)
    return next((code for code in order if code in codes), ExitCode.KEPT)


def _of_another(evidence: Evidence, demand: Demand) -> Iterator[Refusal]:
    if evidence.builder != demand.builder:
        yield _refused(
            f"another class: it is about {evidence.builder}, not {demand.builder}",
            f"pass the attestation of {demand.builder}",
        )
    if not evidence.digests & demand.digests:
        yield _refused(
            f"another image: it is about {_words(evidence.digests)}, not {_words(demand.digests)}",
            "check this very image, by its reference with @sha256:… if it comes from a registry",
        )
    if demand.contract_digest and evidence.contract_digest != demand.contract_digest:
        yield _refused(
            f"another version of the contract: {evidence.contract_digest}, not {demand.contract_digest}",
            "check the image against this version",
        )


def _untimely(evidence: Evidence, demand: Demand, now: datetime) -> Iterator[Refusal]:
    age = now - evidence.started
    if age < -CLOCK_SKEW:
        yield _refused(
            f"from the future: its observations began at {evidence.started.isoformat()}",
            "compare the clocks of both machines",
        )
    elif age > demand.max_age:
        yield _refused(
            f"expired: its oldest observation is {age_in_words(age)} old, and at most "
            f"{age_in_words(demand.max_age)} are accepted",
            "check the image again",
        )


def _incomplete(evidence: Evidence) -> Iterator[Refusal]:
    if not evidence.kept:
        yield Refusal(
            ExitCode.NOTHING_SELECTED,
            "no clause is kept: it shows nothing",
            "check the image with all clauses",
        )
    elif evidence.judged != evidence.promised:
        yield Refusal(
            ExitCode.UNPROVEN,
            f"incomplete: it judges {evidence.judged} clauses, and the contract has {evidence.promised or 'an unknown number'}",
            "check the image without -k, -x and --last-failed",
        )


def _not_kept(evidence: Evidence, demand: Demand) -> Iterator[Refusal]:
    for clause, text in evidence.broken.items():
        yield Refusal(ExitCode.BROKEN, f"broken: {clause}: {text}", "fix the image, or its contract")
    for code, kind, clauses in (
        (ExitCode.UNPROVEN, "unproven", evidence.unproven),
        (ExitCode.BROKEN, "broken with a waiver", evidence.waived),
    ):
        for clause, text in clauses.items():
            if not any(_matches(clause, glob) for glob in demand.allowed):
                local_id = clause.partition("/")[2]
                yield Refusal(code, f"{kind}: {clause}: {text}", f"if that may be, pass --allow {local_id}")


def _too_weak(evidence: Evidence, glob: str, asked: Rung) -> Iterator[Refusal]:
    if glob:
        shown: Mapping[str, Rung] = {
            clause: rung for clause, rung in evidence.kept.items() if _matches(clause, glob)
        }
        if not shown:
            yield Refusal(
                ExitCode.UNPROVEN,
                f"rung {asked.value} is asked of {glob}, and no kept clause matches",
                "look at the IDs with 'builder-contracts validate --list'",
            )
    else:
        # As in the badge of a class: what is only declared lowers no other clause's rung, unless nothing else is there.
        shown = {clause: rung for clause, rung in evidence.kept.items() if rung is not Rung.DECLARED}
        shown = shown or evidence.kept
    weak = [clause for clause, rung in shown.items() if _RUNGS.index(rung) < _RUNGS.index(asked)]
    if weak:
        lowest = min((shown[clause] for clause in weak), key=_RUNGS.index)
        yield Refusal(
            ExitCode.UNPROVEN,
            f"rung {asked.value} is asked{f' of {glob}' if glob else ''}, and {len(weak)} of {len(shown)} clauses are "
            f"lower, down to {lowest.value}: {_words(weak)}",
            "a live rung needs a runner of the pool, an exercised one a proof",
        )


def _matches(clause: str, glob: str) -> bool:
    return fnmatchcase(clause, glob) or fnmatchcase(clause.partition("/")[2], glob)


def _refused(reason: str, fix: str) -> Refusal:
    return Refusal(ExitCode.REFUSED, reason, fix)


def _words(items: Iterable[str]) -> str:
    items = sorted(items)
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return ", ".join(items[:_NAMED]) + more
