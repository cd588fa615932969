"""Proposals under the judges: which of them the runner keeps, by the facts that suggested them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from builder_contracts.contract import validity
from builder_contracts.contract.document import Document, Pointer
from builder_contracts.contract.loading import contract_of
from builder_contracts.contract.model import Contract
from builder_contracts.draft.proposals import Proposal
from builder_contracts.errors import InputError, Location
from builder_contracts.facts.model import Facts
from builder_contracts.judge import judge
from builder_contracts.tools.catalog import catalog
from builder_contracts.verdict import Outcome, Verdict

NEVER = date.max
"""Of waivers, which no proposal has."""


@dataclass(frozen=True)
class JudgedProposal:
    """A proposal, its outcome, and what was observed or why it cannot be promised."""

    proposal: Proposal
    outcome: Outcome
    observation: str


def judged(proposals: Sequence[Proposal], header: dict[str, Any], facts: Facts) -> list[JudgedProposal]:
    """Every proposal with its outcome. ``header`` is the rest of the contract."""
    contract, refused = accepted(proposals, header)
    verdicts: dict[int, list[Verdict]] = {}
    for clause in contract.clauses:
        verdict = judge(clause, facts, contract, today=NEVER)
        verdicts.setdefault(clause.source.line, []).append(verdict)
    return [
        JudgedProposal(proposal, Outcome.UNPROVEN, refused[number])
        if number in refused
        else _worst(proposal, verdicts[number])
        for number, proposal in enumerate(proposals, 1)
    ]


def accepted(proposals: Sequence[Proposal], header: dict[str, Any]) -> tuple[Contract, dict[int, str]]:
    """The contract of the proposals that the language can hold, and by number why it cannot hold the others.

    A name with a line break, for example, is no promise.
    """
    refused: dict[int, str] = {}
    while True:
        usable = {number: proposal for number, proposal in enumerate(proposals, 1) if number not in refused}
        try:
            return _contract(header, usable), refused
        except InputError as error:
            wrong = {problem.source.line: problem.message for problem in error.problems}
            if not wrong.keys() & usable.keys():
                raise
            refused |= wrong


def _worst(proposal: Proposal, verdicts: Iterable[Verdict]) -> JudgedProposal:
    order = (Outcome.BROKEN, Outcome.UNPROVEN, Outcome.WAIVED, Outcome.KEPT)
    worst = min(verdicts, key=lambda verdict: order.index(verdict.outcome))
    return JudgedProposal(proposal, worst.outcome, worst.observation)


def _contract(header: dict[str, Any], proposals: dict[int, Proposal]) -> Contract:
    """The contract of all proposals; the line of a clause is the number of its proposal."""
    data: dict[str, Any] = {
        key: dict(value) if isinstance(value, dict) else value for key, value in header.items()
    }
    positions: dict[Pointer, Location] = {(): Location("draft")}
    for number, proposal in proposals.items():
        *parents, last = proposal.pointer
        section = data
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = proposal.value
        positions[tuple(proposal.pointer)] = Location("draft", number)
    document = Document(data, positions)
    validity.check("builder-class", document)
    return contract_of(document, catalog())
