"""Where the platform runs, and what it no longer depends on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder_contracts.truth.context import Context, declared, excerpt, quoted
from builder_contracts.truth.finding import Absent, Agrees, Contradicts, Observation, Side, Unseen
from builder_contracts.truth.speech import denies, names_any
from builder_contracts.truth.value import Unknown, fields, get, text

_TARGET = re.compile(
    r"(cluster_context|kube_?context|--context|use-context|KUBECONFIG)[\"'`]?[\s:=]+[\"'`]?(\S+)",
    re.IGNORECASE,
)
_CENTRE = ("default", "primary", "main", "center", "centre", "central", "production", "control plane", "live")
_HOSTNAME = "kubernetes.io/hostname"


def removed_technology(context: Context) -> Iterator[Observation]:
    facts = context.facts("topology")
    clean = True
    for name, data in facts.get("removed", default={}).items():
        for line in context.lines:
            if not names_any(line.text, data["words"]) or denies(line.text):
                continue
            clean = False
            expected = declared(facts, "removed", name, says=f"{name} was removed from the operating model")
            fix = (
                "state that it was removed"
                if line.prose
                else "remove the dependency; the design is local-first"
            )
            yield Contradicts(quoted(line), expected, fix)
    if clean:
        yield Absent(f"nothing in {context.searched} depends on a removed component")


def transitional_provider(context: Context) -> Iterator[Observation]:
    facts = context.facts("topology")
    clean = True
    for name, data in facts.get("transitional", default={}).items():
        words, allowed = data["words"], data["allowed_as"]
        expected = declared(facts, "transitional", name, says=f"{name}: {' or '.join(allowed[:2])} only")
        uses: dict[tuple[str, int], Side] = {}

        def add(side: Side, uses: dict[tuple[str, int], Side] = uses) -> None:
            uses.setdefault((side.at.file, side.at.line), side)

        for target in context.model.targets:
            written = text(target.name) or ""
            if _in_name(written, words) and not _in_name(written, allowed):
                add(Side(target.at, f"default target {written}"))
        for line in context.lines:
            for match in _TARGET.finditer(line.text):
                if _in_name(match[2], words) and not names_any(line.text, allowed):
                    add(quoted(line))
        for surface in context.model.surfaces:
            if (
                surface.at.file in context.primary
                and names_any(surface.text, words)
                and not names_any(surface.text, allowed)
            ):
                add(Side(surface.at, f"{surface.kind}: {excerpt(surface.text)}"))
        for sentence in context.sentences:
            central = names_any(sentence.text, words) and names_any(sentence.text, _CENTRE)
            if central and not names_any(sentence.text, allowed) and not denies(sentence.text):
                add(Side(sentence.at, excerpt(sentence.text)))
        for side in uses.values():
            clean = False
            yield Contradicts(side, expected, "use the local cluster as the target")
    if clean:
        yield Absent(f"no transitional provider is a default target in {context.searched}")


def _in_name(name: str, words: list[str]) -> bool:
    return any(word in name.lower() for word in words)


def node_roles(context: Context) -> Iterator[Observation]:
    facts = context.facts("topology")
    nodes = facts.get("nodes")
    for sentence in context.sentences:
        for part in re.split(r"[;,]|\band\b|\bwhile\b", sentence.text):
            named = [node for node in nodes if re.search(rf"\b{re.escape(node)}\b", part)]
            if len(named) != 1:
                continue
            wrong = names_any(part, nodes[named[0]].get("not_as", []))
            if wrong and not denies(part):
                expected = declared(
                    facts, "nodes", named[0], "role", says=f"{named[0]}: {nodes[named[0]]['role']}"
                )
                yield Contradicts(
                    Side(sentence.at, excerpt(sentence.text)), expected, f"{named[0]} is not the {wrong}"
                )
            else:
                yield Agrees(sentence.at)


def placement(context: Context) -> Iterator[Observation]:
    facts = context.facts("topology")
    nodes = facts.get("nodes")
    for scale_set in context.model.scale_sets:
        selector = get(scale_set.pod.spec, "nodeSelector") if scale_set.pod else None
        if selector is None:
            yield Agrees(scale_set.at)
            continue
        if isinstance(selector, Unknown):
            yield Unseen(selector.at, selector.reason)
            continue
        for key, value in fields(selector).items():
            if isinstance(value, Unknown):
                yield Unseen(value.at, value.reason)
            node = text(value)
            if node is None or (key != _HOSTNAME and node not in nodes):
                continue
            if node not in nodes:
                expected = Side(facts.at("nodes"), f"nodes: {', '.join(nodes)}")
                yield Contradicts(
                    Side(value.at, f"{scale_set.name} runs on {node}"), expected, "select an existing node"
                )
            elif not nodes[node]["runners"]:
                expected = declared(
                    facts, "nodes", node, says=f"{node}: {nodes[node]['role']}; accepts no runners"
                )
                yield Contradicts(
                    Side(value.at, f"{scale_set.name} runs on {node}"),
                    expected,
                    "select a node that accepts runners",
                )
            else:
                yield Agrees(value.at)
