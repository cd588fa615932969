"""Compares addresses in the cluster with the ports of the service in this checkout, and those with the
declared ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.endpoints.mentions import endpoint_of, mentions, service_of, zone_words
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, number, text


@rule("endpoints/service-ports", scope="any", words=zone_words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("endpoints")
    for mention in mentions(context):
        service = service_of(context, mention.host)
        port = mention.effective_port
        if service is None or port is None:
            continue
        listening = [number(value) for value in service.ports]
        if None in listening or not listening:
            unknown = next((value for value in service.ports if isinstance(value, Unknown)), None)
            yield Undetermined(service.at, unknown.reason if unknown else "the service specifies no port")
        elif port in listening:
            yield Agrees(mention.at)
        elif not mention.dismissed:
            shown = ", ".join(map(str, listening))
            expected = Quote(service.ports[0].at, f"the service {text(service.name)} listens on {shown}")
            yield Contradicts(mention.side, expected, f"use port {shown}; {port} is not served")
    for service in context.model.services:
        name, namespace = text(service.name), text(service.namespace)
        endpoint = endpoint_of(facts, f"{name}.{namespace}.svc.cluster.local")
        if endpoint is None:
            continue
        promised = facts.get("endpoints", endpoint, "ports")
        listening = [number(value) for value in service.ports]
        if None not in listening and not set(promised) <= set(listening):
            shown = ", ".join(map(str, listening)) or "no port"
            expected = declared(facts, "endpoints", endpoint, "ports")
            actual = Quote(service.at, f"the service {name} listens on {shown}")
            yield Contradicts(
                actual, expected, "make the service listen on the declared port, or declare the actual one"
            )
