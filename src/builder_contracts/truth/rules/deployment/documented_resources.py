"""Compares tables of the documentation with the amounts that are deployed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.resources import CpuLimit, CpuRequest, MemoryLimit, MemoryRequest
from builder_contracts.contract.quantities import byte_count, millicpus
from builder_contracts.truth.checkout_scan import SearchWords
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.model import ScaleSet
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.rule_context import RuleContext, excerpt, rows_of
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, get, text

_AMOUNTS = (
    ("cpu", "request", CpuRequest, millicpus),
    ("cpu", "limit", CpuLimit, millicpus),
    ("memory", "request", MemoryRequest, byte_count),
    ("memory", "limit", MemoryLimit, byte_count),
)


def words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    del platform
    return SearchWords(pages=tuple(label for contract in contracts for label in contract.labels))


@rule("deployment/documented-resources", scope="own", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    """Tables of the documentation that give amounts per class, against what is deployed."""
    by_label = {
        label: scale_set
        for scale_set in context.model.scale_sets
        if (label := text(scale_set.label)) in context.labels
    }
    prefixes = context.facts("enrolment").get("label_prefixes", default=[])
    for headers, (at, cells) in rows_of(context):
        columns = [(index, amount) for index, header in enumerate(headers) for amount in _AMOUNTS
                   if amount[0] in header and amount[1] in header]  # fmt: skip
        name = cells[0].strip("` *")
        label = next(
            (
                candidate
                for candidate in (name, *(prefix + name for prefix in prefixes))
                if candidate in context.labels
            ),
            None,
        )
        if not columns or label is None:
            continue
        for index, (what, edge, promise, read) in columns:
            if index >= len(cells):
                continue
            try:
                documented = read(cells[index].strip("` *"))
            except ValueError:
                continue
            deployed = _amount(by_label.get(label), context, label, what, edge, promise, read)
            if isinstance(deployed, Undetermined):
                yield deployed
            elif deployed is not None and deployed[0] != documented:
                actual = Quote(at, excerpt(f"{name}: {what} {edge} {cells[index]}"))
                yield Contradicts(actual, deployed[1], f"use {deployed[2]}")
            elif deployed is not None:
                yield Agrees(at)


def _amount(
    scale_set: ScaleSet | None,
    context: RuleContext,
    label: str,
    what: str,
    edge: str,
    promise: Any,
    read: Any,
) -> tuple[int, Quote, str] | Undetermined | None:
    """The deployed amount, or the promised one if nothing is deployed in the checkout."""
    if scale_set is not None:
        value = get(scale_set.runner, "resources", f"{edge}s", what)
        if isinstance(value, Unknown):
            return Undetermined(value.at, value.reason)
        written = text(value)
        if value is not None and written is not None:
            try:
                return read(written), Quote(value.at, f"deployed {what} {edge}: {written}"), written
            except ValueError:
                return Undetermined(value.at, f"{written!r} is not an amount")
    for clause in context.labels[label].clauses:
        if isinstance(clause.promise, promise):
            amount = clause.promise.milli if what == "cpu" else clause.promise.bytes
            return amount, Quote(clause.source, clause.promise.text), clause.promise.text
    return None
