"""Every verdict that the judges can give is valid against the published schema, and survives its data."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from builder_contracts.contract import schemas
from builder_contracts.contract.loading import load
from builder_contracts.contract.promises import ProofPromise
from builder_contracts.facts.model import Facts, ImageFacts, StartFacts
from builder_contracts.judge import judge
from builder_contracts.prove.records import ProofRecords
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.prove.verdicts import ProofContext
from builder_contracts.prove.verdicts import judge as judge_proof
from builder_contracts.reporting.verdict_data import from_data, to_data
from builder_contracts.truth.session import load as load_platform
from builder_contracts.truth.session import verdicts_of
from builder_contracts.truth.verdicts import judge as judge_checkout
from builder_contracts.verdict import Verdict
from tests.unit.generated_contracts import contracts
from tests.unit.generated_facts import facts_for

ROOT = Path(__file__).parents[3]
VALIDATOR = Draft202012Validator(schemas.load("verdict"))
TODAY = date(2026, 3, 15)


def check(verdict: Verdict) -> None:
    data = to_data(verdict)
    VALIDATOR.validate(data)
    assert to_data(from_data(data)) == data


DIGEST = "sha256:" + "0a" * 32


def measured(facts: Facts) -> Facts:
    """Facts with a duration and digests, as every observation has them."""
    image, start = facts.image, facts.start
    if isinstance(image, ImageFacts):
        image = replace(image, digest=DIGEST)
    if isinstance(start, StartFacts):
        start = replace(start, digest=start.digest and DIGEST)
    return replace(facts, seconds=0.25, image=image, start=start)


# Contracts and facts are large; drawing them is what takes the time.
@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
)
@given(st.data())
def test_verdicts_on_facts(data: st.DataObject) -> None:
    contract = data.draw(contracts())
    facts = measured(data.draw(facts_for(contract)))
    for clause in contract.clauses:
        check(judge(clause, facts, contract, today=TODAY, environment="embedded"))


@pytest.mark.parametrize("name", ["tinyland-nix", "tinyland-docker", "tinyland-dind"])
def test_verdicts_on_proofs(name: str) -> None:
    contract = load(ROOT / f"contracts/{name}.yaml")
    lost = Unavailable("no engine")
    promises = [clause for clause in contract.clauses if isinstance(clause.promise, ProofPromise)]
    assert promises
    for clause in promises:
        check(
            judge_proof(
                clause, contract, ProofRecords(nix=lost, scan=lost), ProofContext("embedded"), today=TODAY
            )
        )


def test_verdicts_on_a_checkout() -> None:
    judgement = judge_checkout(ROOT, *load_platform(ROOT / "contracts"))
    verdicts = list(verdicts_of(judgement))
    assert len(verdicts) > 50
    for verdict in verdicts:
        check(verdict)
