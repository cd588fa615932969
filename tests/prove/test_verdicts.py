"""Each promise that is shown by doing asks its own judge, and a record that is missing proves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.contract.promises import ProofPromise
from builder_contracts.contract.promises.caches import CacheProof
from builder_contracts.contract.promises.canaries import CanaryProof
from builder_contracts.contract.promises.publication import STATE, NoSecrets, PublicationProof
from builder_contracts.prove.bazel import judge as judge_bazel
from builder_contracts.prove.bazel.log import parse_runner_count
from builder_contracts.prove.canary.record import CanaryRecord
from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.nix import judge as judge_nix
from builder_contracts.prove.publication import judge as judge_publication
from builder_contracts.prove.publish_attempt import PublishAttempt, put_unsupported, with_control
from builder_contracts.prove.records import ProofRecords
from builder_contracts.prove.state import judge as judge_state
from builder_contracts.prove.store_lookup import StoreLookup
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.prove.verdicts import find
from builder_contracts.verdict import Outcome
from tests.prove import example_records
from tests.prove.conftest import ROOT
from tests.prove.test_judge_secrets import CLEAN
from tests.prove.test_judge_state import GOOD as GOOD_STATE

PROMISES = {
    clause.id: clause.promise
    for name in ("tinyland-dind", "tinyland-docker", "tinyland-nix")
    for clause in load(ROOT / f"contracts/{name}.yaml").clauses
    if isinstance(clause.promise, ProofPromise)
}
GOOD = CheckResult(True, "as promised")
LOST = Unavailable("the engine is gone")


def written(identity: str) -> PublishAttempt:
    """What was promised: the writer may, and nobody else."""
    allowed = identity in ("writer", "owner")
    answer = {"anonymous": "401", "reader": "403"}.get(identity, "201")
    control = {"put": "201"}
    return PublishAttempt(
        identity, {"put": answer}, {"put": StoreLookup(allowed, "looked up")}, control, logged=False
    )


def records(lost: Unavailable | None = None) -> ProofRecords:
    """Good records of everything that the promises are about, or the reason why there are none."""
    made = ProofRecords()
    made.nix, made.state, made.scan = (lost or good for good in (example_records.nix(), GOOD_STATE, CLEAN))  # type: ignore[assignment] # one type each, in this order
    for promise in PROMISES.values():
        match promise:
            case CacheProof(role=role) if role != "nix":
                made.bazel[role] = lost or example_records.bazel("grpc" if "grpc" in role else "http")
            case PublicationProof(target=target, show=show) if show not in STATE:
                made.attempts.setdefault(target, {})[show] = lost or written(show)
            case CanaryProof(canary=canary):
                results = {other.show: GOOD for other in PROMISES.values() if isinstance(other, CanaryProof)}
                made.canaries[canary] = lost or CanaryRecord(canary, results)
            case _:
                pass
    return made


@pytest.mark.parametrize("clause", PROMISES)
def test_good_records_keep_and_missing_ones_prove_nothing(clause: str) -> None:
    promise = PROMISES[clause]
    assert find(promise, records())[0].outcome is Outcome.KEPT
    lost = find(promise, records(LOST))[0]
    assert (lost.outcome, lost.observation) == (Outcome.UNPROVEN, "the engine is gone")
    assert find(promise, ProofRecords())[0].outcome is Outcome.UNPROVEN


def test_every_kind_of_proof_is_promised_by_some_class() -> None:
    kinds = {type(promise) for promise in PROMISES.values()}
    assert kinds == {CacheProof, CanaryProof, NoSecrets, PublicationProof}


def test_check_that_a_tool_cannot_show_is_skipped_for_good() -> None:
    promise = next(promise for promise in PROMISES.values() if isinstance(promise, CanaryProof))
    made = ProofRecords(canaries={promise.canary: CanaryRecord(promise.canary, {})})
    finding = find(promise, made)[0]
    assert (finding.outcome, finding.provable_here) == (Outcome.UNPROVEN, False)


@pytest.mark.parametrize(
    ("judge", "record"),
    [
        (judge_bazel.judge, example_records.bazel()),
        (judge_nix.judge, example_records.nix()),
        (judge_state.judge, GOOD_STATE),
    ],
)
def test_unknown_clause_has_no_judge(judge: Any, record: object) -> None:
    with pytest.raises((NotImplementedError, KeyError)):
        judge("no-such-clause", record)


@pytest.mark.parametrize(
    ("writer", "control", "no_writer"),
    [(written("writer"), {"put": "201"}, None), (LOST, {}, LOST), (None, {}, None)],
    ids=["writer", "lost writer", "no writer"],
)
def test_control_is_the_writers_own_result(
    writer: PublishAttempt | Unavailable | None, control: dict[str, str], no_writer: Unavailable | None
) -> None:
    attempts: dict[str, PublishAttempt | Unavailable] = {"reader": written("reader"), "anonymous": LOST}
    if writer is not None:
        attempts["writer"] = writer
    checked = with_control(attempts)
    reader = checked["reader"]
    assert isinstance(reader, PublishAttempt)
    assert (dict(reader.control), reader.no_writer) == (control, no_writer)
    assert checked["anonymous"] == LOST


def test_server_without_put_is_skipped_for_good() -> None:
    assert not put_unsupported("https://attic.example").provable_here


def test_runner_counts_survive_a_line_that_is_cut() -> None:
    whole = b'{"buildMetrics": {"actionSummary": {"runnerCount": [{"name": "total", "count": 3}]}}}\n'
    assert parse_runner_count(b'{"buildMetrics": {"actionSum\n' + whole) == {"total": 3}


def test_publication_judges_every_identity() -> None:
    for identity in ("anonymous", "reader", "writer"):
        assert judge_publication.judge(identity, written(identity))[0].outcome is Outcome.KEPT
