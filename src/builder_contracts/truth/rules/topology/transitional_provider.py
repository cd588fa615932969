"""Compares default contexts, commands, descriptions and sentences with the roles that the provider may
have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from builder_contracts.contract.model import Contract
from builder_contracts.truth.checkout_scan import SearchWords
from builder_contracts.truth.finding import Absent, Contradicts, Quote, RuleResult
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.prose import denies, names_any
from builder_contracts.truth.rule_context import RuleContext, declared, excerpt, quoted
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import text

_TARGET = re.compile(
    r"(cluster_context|kube_?context|--context|use-context|KUBECONFIG)[\"'`]?[\s:=]+[\"'`]?(\S+)",
    re.IGNORECASE,
)
# What makes it the centre. A default of the provider itself, a storage class for example, does not.
_CENTRE = re.compile(
    r"\b(?:default|primary|main|central|live|production)\s+(?:\w+\s+)?"
    r"(?:backend|cluster|context|deployment|environment|home|platform|provider|target)\b"
    r"|\bcontrol plane\b|\bcent(?:er|re)\b|\b(?:is|remains|stays)\s+(?:the\s+|our\s+)?(?:default|primary|main|live)\b",
    re.IGNORECASE,
)


def words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    del contracts
    transitional = platform.area("topology").get("transitional", default={})
    return SearchWords(lines=tuple(word for data in transitional.values() for word in data["words"]))


@rule("topology/transitional-provider", scope="own", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("topology")
    clean = True
    for name, data in facts.get("transitional", default={}).items():
        words, allowed = data["words"], data["allowed_as"]
        expected = declared(facts, "transitional", name, says=f"{name}: {' or '.join(allowed[:2])} only")
        uses: dict[tuple[str, int], Quote] = {}

        def add(side: Quote, uses: dict[tuple[str, int], Quote] = uses) -> None:
            uses.setdefault((side.at.file, side.at.line), side)

        for target in context.model.targets:
            written = text(target.name) or ""
            if _in_name(written, words) and not _in_name(written, allowed):
                add(Quote(target.at, f"default target {written}"))
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
                add(Quote(surface.at, f"{surface.kind}: {excerpt(surface.text)}"))
        for sentence in context.sentences:
            central = names_any(sentence.text, words) and _CENTRE.search(sentence.text)
            if central and not names_any(sentence.text, allowed) and not denies(sentence.text):
                add(Quote(sentence.at, excerpt(sentence.text)))
        for side in uses.values():
            clean = False
            yield Contradicts(side, expected, "use the local cluster as the target")
    if clean:
        yield Absent(f"no transitional provider is a default target in {context.searched}")


def _in_name(name: str, words: list[str]) -> bool:
    return any(word in name.lower() for word in words)
