"""Compares labels and numbers of scale sets in the documentation with the toggles of the stack."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from builder_contracts.contract.model import Contract
from builder_contracts.truth.checkout_scan import SearchWords
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.model import ScaleSet
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.prose import denies, intends
from builder_contracts.truth.rule_context import RuleContext, excerpt, rows_of
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, text

_NUMBERS = {
    word: number
    for number, word in enumerate("zero one two three four five six seven eight nine ten".split())
}
_SETS = re.compile(r"\b(\d+|" + "|".join(_NUMBERS) + r")\b(?:\s+\w+){0,3}\s+scale sets\b", re.IGNORECASE)
_NOT_DEPLOYED = re.compile(
    r"\b(off|opt-in|optional\w*|disabled|not deployed|on request|planned)\b", re.IGNORECASE
)


def words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    del platform
    labels = (label for contract in contracts for label in contract.labels)
    return SearchWords(pages=(*labels, "scale set", "runner"))


@rule("enrolment/documented-sets", scope="own", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    """Labels and numbers of scale sets in the documentation against the toggles of the deployment."""
    by_label: dict[str, list[ScaleSet]] = {}
    for scale_set in context.model.scale_sets:
        if (label := text(scale_set.label)) is not None:
            by_label.setdefault(label, []).append(scale_set)
    if not by_label:
        return
    for headers, (at, cells) in rows_of(context):
        if not headers or not re.search(r"\b(label|runs-on)\b", headers[0]):
            continue
        label = cells[0].strip("` ")
        sets = by_label.get(label)
        if sets is None:
            continue
        if any(scale_set.is_deployed for scale_set in sets):
            yield Agrees(at)
        elif all(scale_set.is_left_out for scale_set in sets):
            if not _NOT_DEPLOYED.search(" ".join(cells)):
                expected = Quote(sets[0].deployed.at, f"scale set {sets[0].name} is disabled by default")
                yield Contradicts(
                    Quote(at, excerpt(" | ".join(cells))), expected, "state that it is off, or enable it"
                )
        else:
            reason = next(
                scale_set.deployed.reason for scale_set in sets if isinstance(scale_set.deployed, Unknown)
            )
            yield Undetermined(at, reason)
    count = {
        label for label, sets in by_label.items() if any(scale_set.is_deployed for scale_set in sets)
    } & context.labels.keys()
    off = [
        scale_set
        for sets in by_label.values()
        for scale_set in sets
        if scale_set.is_left_out and text(scale_set.label) in context.labels
    ]
    for sentence in context.sentences:
        match = _SETS.search(sentence.text)
        if (
            not match
            or denies(sentence.text)
            or intends(sentence.text)
            or _NOT_DEPLOYED.search(sentence.text)
        ):
            continue
        stated_count = _NUMBERS.get(match[1].lower(), int(match[1]) if match[1].isdecimal() else -1)
        if stated_count == len(count):
            yield Agrees(sentence.at)
        elif off and stated_count > len(count):
            expected = Quote(
                off[0].deployed.at, f"{len(count)} are deployed; {off[0].name} is disabled by default"
            )
            yield Contradicts(
                Quote(sentence.at, excerpt(sentence.text)),
                expected,
                "list what is deployed, or enable the others",
            )
