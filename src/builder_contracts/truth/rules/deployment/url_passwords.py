"""Compares generated passwords that are written into URLs with the characters that a URL can hold there."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule

# Source: RFC 3986, sections 3.2.1 (userinfo) and 2.1: everything else, and the percent sign itself, has to be encoded.
_ALLOWED = frozenset("-._~!$&'()*+,;=")


@rule("deployment/url-passwords", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    for use in context.model.url_passwords:
        breaking = "".join(sorted({*use.characters} - _ALLOWED))
        if breaking:
            yield Contradicts(
                Quote(use.at, f"{use.password} is in a URL as it is"),
                Quote(use.generated_at, f"it can hold {breaking}"),
                "write urlencode(…) around it",
            )
        else:
            yield Agrees(use.at)
