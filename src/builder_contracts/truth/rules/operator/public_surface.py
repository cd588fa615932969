"""Compares hosts of ingresses with the public list and the tailnets."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.placeholders import is_placeholder
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.operator.tailnets import in_tailnet
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, text


@rule("operator/public-surface", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("operator")
    public, tailnets = facts.get("public", default=[]), facts.get("tailnets")
    for exposure in context.model.exposures:
        host = text(exposure.host)
        if host is None:
            yield Undetermined(
                exposure.at,
                exposure.host.reason if isinstance(exposure.host, Unknown) else "the host is not text",
            )
        elif is_placeholder(host):
            yield Undetermined(exposure.at, f"the host {host!r} stands for another", decidable=False)
        elif host in public or in_tailnet(host, tailnets) or text(exposure.ingress_class) == "tailscale":
            yield Agrees(exposure.at)
        else:
            actual = Quote(exposure.at, f"{text(exposure.name) or 'an ingress'} exposes {host} publicly")
            expected = Quote(facts.at("public"), f"public: {', '.join(public) or 'nothing'}")
            yield Contradicts(actual, expected, "use a tailnet address, or declare it public")
