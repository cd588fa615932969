"""Compares every host under a zone that a line uses as an address, with the endpoints and the services of the
checkout.
"""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.platform import AreaDeclarations
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.endpoints.mentions import (
    endpoint_of,
    is_management,
    mentions,
    service_of,
    zone_words,
)
from builder_contracts.truth.rules.registry import rule


@rule("endpoints/known-hosts", scope="any", words=zone_words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("endpoints")
    retired = facts.get("retired", default={})
    nearest: dict[str, str | None] = {}
    for mention in mentions(context):
        if mention.host in retired or is_management(context, mention.host):
            continue
        if endpoint_of(facts, mention.host) or service_of(context, mention.host):
            yield Agrees(mention.at)
        elif not mention.dismissed and mention.used:
            if mention.host not in nearest:
                nearest[mention.host] = _nearest(facts, mention.host)
            near = nearest[mention.host]
            expected = (
                declared(facts, "endpoints", near, "host")
                if near
                else Quote(facts.at("endpoints"), "declared endpoints")
            )
            yield Contradicts(
                mention.side,
                expected,
                f"no service is named {mention.host}; "
                + (
                    f"use {facts.get('endpoints', near, 'host')}"
                    if near
                    else "use a declared endpoint, or declare this one"
                ),
            )


def _nearest(facts: AreaDeclarations, host: str) -> str | None:
    """The endpoint that was probably meant: in the same zone, its first label with a word of this one's."""
    label, _, zone = host.partition(".")
    words = set(label.split("-"))
    for name, endpoint in facts.get("endpoints", default={}).items():
        first, _, rest = str(endpoint["host"]).partition(".")
        if rest == zone and words & set(first.split("-")):
            return str(name)
    return None
