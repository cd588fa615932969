"""Compares `githubConfigUrl` with the enrolled organisations and accounts."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.model import ScaleSet
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, Value, get, text


def _texts(context: RuleContext, key: str) -> Iterator[tuple[ScaleSet, Value]]:
    for scale_set in context.model.scale_sets:
        value = get(scale_set.values, key)
        if value is not None:
            yield scale_set, value


@rule("enrolment/scopes", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("enrolment")
    patterns = facts.get("scopes")
    for scale_set, value in _texts(context, "githubConfigUrl"):
        url = text(value)
        if url is None:
            yield Undetermined(value.at, value.reason if isinstance(value, Unknown) else "not text")
        elif any(fnmatch.fnmatchcase(url.rstrip("/").lower(), pattern.lower()) for pattern in patterns):
            yield Agrees(value.at)
        else:
            actual = Quote(value.at, f"scale set {scale_set.name} registers with {url}")
            expected = Quote(facts.at("scopes"), f"enrolled: {', '.join(patterns)}")
            yield Contradicts(actual, expected, "enrol the organisation or account first, or fix the URL")
