"""What holds for every contract that the schema allows and all facts that can be observed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises import READERS
from builder_contracts.facts.model import Facts, ImageFacts, StartFacts
from builder_contracts.judge import judge
from builder_contracts.verdict import Outcome, Rung, Verdict
from tests.unit.generated_contracts import contracts
from tests.unit.generated_facts import ANY_FACTS, all_unseen, facts_for
from tests.unit.reporting.published import assert_published

TODAY = date(2026, 3, 15)
CONTRACTS = contracts()
DECLARED = ("labels", "responsibilities")

# Contracts and facts are large; drawing them is what takes the time.
patient = settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


DIGEST = "sha256:" + "0a" * 32


def measured(facts: Facts) -> Facts:
    """Facts with a duration and digests, as every observation has them."""
    image, start = facts.image, facts.start
    if isinstance(image, ImageFacts):
        image = replace(image, digest=DIGEST)
    if isinstance(start, StartFacts):
        start = replace(start, digest=start.digest and DIGEST)
    return replace(facts, seconds=0.25, image=image, start=start)


def verdicts(contract: Contract, facts: Facts) -> list[Verdict]:
    return [judge(clause, facts, contract, today=TODAY, environment="here") for clause in contract.clauses]


@patient
@given(st.data())
def test_verdict_claims_no_more_than_was_observed(data: st.DataObject) -> None:
    """And is the same again, and valid against its schema: one drawing of contract and facts serves all three."""
    contract = data.draw(CONTRACTS)
    facts = data.draw(facts_for(contract) | ANY_FACTS)
    first = verdicts(contract, facts)
    assert first == verdicts(contract, facts)
    for verdict in verdicts(contract, measured(facts)):
        assert_published(verdict)
    for clause, verdict in zip(contract.clauses, first, strict=True):
        assert verdict.clause == clause.id
        assert verdict.promise
        assert verdict.location.file.startswith("/")
        if verdict.outcome in (Outcome.KEPT, Outcome.WAIVED, Outcome.BROKEN):
            assert verdict.observation
            assert verdict.rung is not None
        if verdict.outcome is Outcome.BROKEN:
            assert verdict.cause or verdict.fix
        if verdict.outcome is Outcome.UNPROVEN:
            assert verdict.rung is None
        if verdict.outcome is Outcome.WAIVED:
            assert clause.waiver is not None
            assert clause.waiver.until >= TODAY
        if clause.kind not in DECLARED and verdict.outcome is Outcome.KEPT:
            assert verdict.rung in (Rung.DECLARED, Rung.OBSERVED, Rung.LIVE)
        if verdict.origin.runner == "docker":
            assert verdict.rung is not Rung.LIVE


def test_unobserved_clause_is_kept_only_if_declared() -> None:
    """Of contracts with unique ids, which all together have every section."""
    kinds: set[str] = set()

    @patient
    @given(CONTRACTS)
    def check(contract: Contract) -> None:
        kinds.update(clause.kind for clause in contract.clauses)
        assert [
            name for name, count in Counter(clause.id for clause in contract.clauses).items() if count > 1
        ] == []
        for clause, verdict in zip(contract.clauses, verdicts(contract, all_unseen()), strict=True):
            expired = clause.waiver is not None and clause.waiver.until < TODAY
            if expired:
                assert verdict.outcome is Outcome.BROKEN
            elif clause.kind in DECLARED:
                assert (verdict.outcome, verdict.rung) == (Outcome.KEPT, Rung.DECLARED)
            else:
                assert verdict.outcome is Outcome.UNPROVEN
                assert verdict.observation

    check()
    assert kinds == set(READERS)
