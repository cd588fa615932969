"""Compares node selectors of scale sets with the nodes that take runners."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, fields, get, text

_HOSTNAME = "kubernetes.io/hostname"


@rule("topology/placement", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("topology")
    nodes = facts.get("nodes")
    for scale_set in context.model.scale_sets:
        selector = get(scale_set.pod.spec, "nodeSelector") if scale_set.pod else None
        if selector is None:
            yield Agrees(scale_set.at)
            continue
        if isinstance(selector, Unknown):
            yield Undetermined(selector.at, selector.reason)
            continue
        for key, value in fields(selector).items():
            if isinstance(value, Unknown):
                yield Undetermined(value.at, value.reason)
            node = text(value)
            if node is None or (key != _HOSTNAME and node not in nodes):
                continue
            if node not in nodes:
                expected = Quote(facts.at("nodes"), f"nodes: {', '.join(nodes)}")
                yield Contradicts(
                    Quote(value.at, f"{scale_set.name} runs on {node}"), expected, "select an existing node"
                )
            elif not nodes[node]["runners"]:
                expected = declared(
                    facts, "nodes", node, says=f"{node}: {nodes[node]['role']}; accepts no runners"
                )
                yield Contradicts(
                    Quote(value.at, f"{scale_set.name} runs on {node}"),
                    expected,
                    "select a node that accepts runners",
                )
            else:
                yield Agrees(value.at)
