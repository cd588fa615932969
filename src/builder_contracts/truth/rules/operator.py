"""How operators reach the platform, and what the public may reach."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.context import Context, declared
from builder_contracts.truth.finding import Agrees, Contradicts, Observation, Side, Unseen
from builder_contracts.truth.rules.endpoints import is_management, mentions
from builder_contracts.truth.speech import names_any
from builder_contracts.truth.value import Unknown, text

_OPERATION = ["operator", "manage", "admin", "dashboard", "access", "kubectl", "ssh"]


def _in_tailnet(host: str, tailnets: list[str]) -> bool:
    return any(host == tailnet or host.endswith(f".{tailnet}") for tailnet in tailnets)


def public_surface(context: Context) -> Iterator[Observation]:
    facts = context.facts("operator")
    public, tailnets = facts.get("public", default=[]), facts.get("tailnets")
    for exposure in context.model.exposures:
        host = text(exposure.host)
        if host is None:
            yield Unseen(
                exposure.at,
                exposure.host.reason if isinstance(exposure.host, Unknown) else "the host is not text",
            )
        elif host in public or _in_tailnet(host, tailnets) or text(exposure.ingress_class) == "tailscale":
            yield Agrees(exposure.at)
        else:
            actual = Side(exposure.at, f"{text(exposure.name) or 'an ingress'} exposes {host} publicly")
            expected = Side(facts.at("public"), f"public: {', '.join(public) or 'nothing'}")
            yield Contradicts(actual, expected, "use a tailnet address, or declare it public")


def management_addresses(context: Context) -> Iterator[Observation]:
    facts = context.facts("operator")
    tailnets = facts.get("tailnets")
    for mention in mentions(context):
        if not is_management(context, mention.host) or ".svc" in mention.host:
            continue
        if _in_tailnet(mention.host, tailnets):
            yield Agrees(mention.at)
        elif not mention.dismissed:
            expected = declared(facts, "tailnets", says=f"operator addresses are under {', '.join(tailnets)}")
            yield Contradicts(mention.side, expected, "use the tailnet address")


def documented(context: Context) -> Iterator[Observation]:
    facts = context.facts("operator")
    if not context.sentences:
        return
    location = next(
        (
            s.at
            for s in context.sentences
            if names_any(s.text, ["tailnet", "tailscale"]) and names_any(s.text, _OPERATION)
        ),
        None,
    )
    if location is not None:
        yield Agrees(location)
    else:
        actual = Side(context.entrance, "no document describes the tailnet as the operators' access path")
        expected = declared(facts, "tailnets", says=f"tailnet: {', '.join(facts.get('tailnets'))}")
        yield Contradicts(actual, expected, "document how operators reach the dashboard and the clusters")
