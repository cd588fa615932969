"""Compares tables and lists of the documentation with the amounts that are deployed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.resources import CpuLimit, CpuRequest, MemoryLimit, MemoryRequest
from builder_contracts.contract.quantities import byte_count, millicpus
from builder_contracts.errors import Location
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

_ENTRY = re.compile(
    r"\s*[-*]\s+[*_]*(?P<what>cpu|memory)\b(?:\s+(?P<edge>request|limit)s?)?[*_]*\s*:[*_]*\s*"
    r"`?(?P<amount>[\d.]+\s?(?:m|[KMG]i)?)`?(?:\s+(?:cores?|cpus?))?\s*$",
    re.IGNORECASE,
)

_Claim = tuple[str, Any, str, Location]
"""The name of a class, an entry of ``_AMOUNTS``, what is written, and where."""


def words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    labels = [label for contract in contracts for label in contract.labels]
    prefixes = platform.area("enrolment").get("label_prefixes", default=[])
    return SearchWords(pages=(*labels, *(label.removeprefix(p) for p in prefixes for label in labels)))


@rule("deployment/documented-resources", scope="own", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    by_label = {
        label: scale_set
        for scale_set in context.model.scale_sets
        if (label := text(scale_set.label)) in context.labels
    }
    for name, (what, edge, promise, read), written, at in (*_in_tables(context), *_in_lists(context)):
        label = _label(context, name)
        if label is None:
            continue
        try:
            documented = read(written)
        except ValueError:
            continue
        deployed = _amount(by_label.get(label), context, label, what, edge, promise, read)
        if isinstance(deployed, Undetermined):
            yield deployed
        elif deployed is not None and deployed[0] != documented:
            actual = Quote(at, excerpt(f"{name}: {what} {edge} {written}"))
            yield Contradicts(actual, deployed[1], f"use {deployed[2]}")
        elif deployed is not None:
            yield Agrees(at)


def _in_tables(context: RuleContext) -> Iterator[_Claim]:
    for headers, (at, cells) in rows_of(context):
        for index, header in enumerate(headers[: len(cells)]):
            for amount in _AMOUNTS:
                if amount[0] in header and amount[1] in header:
                    yield cells[0].strip("` *"), amount, cells[index].strip("` *"), at


def _in_lists(context: RuleContext) -> Iterator[_Claim]:
    """Entries such as "- Memory: 8Gi" below a heading about limits, if the paragraph before names one class only."""
    for path, page in context.model.pages:
        if context.is_history(path):
            continue
        heading = paragraph = above = ""
        for number, line in enumerate(page.splitlines(), 1):
            if entry := _ENTRY.match(line):
                edges = {
                    (entry["edge"] or edge).lower()
                    for edge in ("request", "limit")
                    if entry["edge"] or edge in heading
                }
                names = {word for word in re.findall(r"[\w-]+", paragraph.lower()) if _label(context, word)}
                for amount in _AMOUNTS:
                    if (
                        len(names) == len(edges) == 1
                        and amount[0] == entry["what"].lower()
                        and amount[1] in edges
                    ):
                        yield (
                            next(iter(names)),
                            amount,
                            entry["amount"].replace(" ", ""),
                            Location(path, number),
                        )
            elif line.startswith("#"):
                heading, paragraph = line.lower(), ""
            elif line.strip():
                paragraph = f"{paragraph} {line}" if above.strip() else line
            above = line


def _label(context: RuleContext, name: str) -> str | None:
    """The label of a class that a name stands for, which may leave out the prefix of the platform's labels."""
    prefixes = context.facts("enrolment").get("label_prefixes", default=[])
    names = (name, *(prefix + name for prefix in prefixes))
    return next((candidate for candidate in names if candidate in context.labels), None)


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
