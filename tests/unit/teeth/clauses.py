"""Clauses of a contract that has nothing else."""

from __future__ import annotations

from builder_contracts.contract.model import Clause
from builder_contracts.contract.promises import Promise
from builder_contracts.errors import Location


def clause_of(promise: Promise) -> Clause:
    return Clause("sample", "kind", "name", promise, Location("sample.yaml", 1))
