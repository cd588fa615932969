"""Compares sentences that call a cache configured with the `NIX_CONFIG` that runners get."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.model import environment
from builder_contracts.truth.prose import denies, names_any
from builder_contracts.truth.rule_context import RuleContext, excerpt
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, Value, text

_RUNNERS = ("runner", "builder", "job", "pod", "scale set", "class", "automatically")


@rule("workflows/substituters", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    injected: list[tuple[str, Value]] = []
    for scale_set in context.model.scale_sets:
        value = environment(scale_set.runner).get("NIX_CONFIG")
        if value is not None:
            injected.append((scale_set.name, value))
    for sentence in context.sentences:
        claims = names_any(sentence.text, ["substituter"]) and names_any(
            sentence.text, ["pre-configured", "preconfigured", "configured", "automatically", "already"]
        )
        # An example for users is not about what runners get.
        if not claims or denies(sentence.text) or not names_any(sentence.text, _RUNNERS):
            continue
        actual = Quote(sentence.at, excerpt(sentence.text))
        if not injected:
            yield Undetermined(sentence.at, "no scale set in this checkout sets NIX_CONFIG")
        for name, value in injected:
            if isinstance(value, Unknown):
                yield Undetermined(value.at, value.reason)
            elif "substituters" in (text(value) or ""):
                yield Agrees(value.at)
            else:
                expected = Quote(value.at, f"{name} gets NIX_CONFIG={excerpt(text(value) or '')}")
                yield Contradicts(
                    actual,
                    expected,
                    "set substituters and trusted-public-keys there, or correct the documentation",
                )
                break
