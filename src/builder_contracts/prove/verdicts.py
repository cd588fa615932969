"""Judge a promise by the records of a class: an assessment with its witnesses. Pure."""

from __future__ import annotations

import dataclasses
from datetime import date
from typing import assert_never

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises import ProofPromise
from builder_contracts.contract.promises.caches import CacheProof
from builder_contracts.contract.promises.canaries import CanaryProof
from builder_contracts.contract.promises.publication import HTTP_STATE, STATE, NoSecrets, PublicationProof
from builder_contracts.facts.model import ImageFacts, RunnerFacts
from builder_contracts.judge import origin_of, under_waiver
from builder_contracts.prove.bazel import judge as judge_bazel
from builder_contracts.prove.check_result import judge_check
from builder_contracts.prove.http_state import judge as judge_http_state
from builder_contracts.prove.nix import judge as judge_nix
from builder_contracts.prove.publication import judge as judge_publication
from builder_contracts.prove.records import ProofRecords
from builder_contracts.prove.secrets import judge as judge_secrets
from builder_contracts.prove.state import judge as judge_state
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.prove.witnessed import Witnessed, unavailable
from builder_contracts.verdict import Assessment, Rung, Verdict


def find(promise: ProofPromise, records: ProofRecords) -> Witnessed:
    """Ask the judge of the experiment behind a promise."""
    match promise:
        case CacheProof(role="nix", show=show):
            return judge_nix.judge(show, records.nix)
        case CacheProof(role=role, show=show):
            return judge_bazel.judge(show, records.bazel.get(role))
        case PublicationProof(target="state", show=show) if show in HTTP_STATE:
            return judge_http_state.judge(show, records.http_state)
        case PublicationProof(show=show) if show in STATE:
            return judge_state.judge(show, records.state)
        case PublicationProof(target=target, show=show):
            return judge_publication.judge(show, records.attempts.get(target, {}).get(show))
        case NoSecrets():
            return judge_secrets.judge(records.scan)
        case CanaryProof(canary=canary, show=show):
            record = records.canaries.get(canary)
            if record is None or isinstance(record, Unavailable):
                return unavailable(record)
            return judge_check(
                record.results.get(show, Unavailable.never(f"the tool of {canary} cannot show it"))
            )
        case _:
            assert_never(promise)


@dataclasses.dataclass(frozen=True)
class ProofContext:
    """The origin of a class's proofs: facts that each of its verdicts carries."""

    environment: str
    about: RunnerFacts | None = None
    image: ImageFacts | None = None
    started: str = ""
    seconds: float = 0.0
    start: str = ""


def judge(
    clause: Clause,
    contract: Contract,
    records: ProofRecords,
    where: ProofContext,
    *,
    today: date,
    instead: Assessment | None = None,
) -> Verdict:
    """The verdict on one clause that is shown by doing; ``instead`` is used if the records cannot decide."""
    promise = clause.promise
    if not isinstance(promise, ProofPromise):
        raise TypeError(f"{clause.id} is judged from facts")
    raw, witnesses = (instead, ()) if instead else find(promise, records)
    finding = under_waiver(clause, raw, today)
    about = where.about
    if witnesses and about is not None and about.kind == "local":
        witnesses = (*witnesses, _fresh(promise))
    return Verdict.of(
        clause,
        finding,
        origin_of(
            contract,
            about,
            where.image,
            environment=where.environment,
            started=where.started,
            seconds=where.seconds,
            start=where.start,
        ),
        rung=_rung(about),
        inspect=finding.inspect or f"builder-contracts explain {clause.id}",
        witnesses=witnesses,
    )


def _fresh(promise: ProofPromise) -> str:
    """The parts that were fresh although the machine is reused."""
    match promise:
        case CacheProof(role="nix"):
            subject = "an empty Nix store"
        case CacheProof():
            subject = "its own output base and home, no disk cache"
        case CanaryProof():
            subject = "its own directory and home"
        case PublicationProof() | NoSecrets():
            subject = "a name never used before"
        case _:
            assert_never(promise)
    return f"fresh: {subject}, on a reused machine"


def _rung(about: RunnerFacts | None) -> Rung:
    """Limit the rung to declared (C0) on a host that is not shown to be a runner of the class, as for its facts."""
    if about is not None and about.live:
        return Rung.LIVE
    return Rung.DECLARED if about is not None and about.kind == "local" else Rung.EXERCISED
