"""Compares titles and descriptions of the primary files with the declared name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builder_contracts.contract.model import Contract
from builder_contracts.errors import Location
from builder_contracts.truth.checkout_scan import SearchWords
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.prose import plain, spellings
from builder_contracts.truth.rule_context import RuleContext, declared, excerpt
from builder_contracts.truth.rules.registry import rule

# Descriptions that are shown next to the repository's name in listings.
_PRESENTING = frozenset(
    {"README.md title", "flake description", "MODULE.bazel description", "package description"}
)


def words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    del contracts
    return SearchWords(lines=tuple(spellings(platform.area("identity").get("name", default=""))))


@rule("identity/current-name", scope="own", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("identity")
    name = plain(facts.get("name"))
    for path in facts.get("primary"):
        if path not in context.model.paths:
            continue
        presenting = [s for s in context.model.surfaces if s.at.file == path and s.kind in _PRESENTING]
        for surface in presenting:
            if name in plain(surface.text):
                yield Agrees(surface.at)
            else:
                actual = Quote(surface.at, f"{surface.kind}: {excerpt(surface.text)}")
                yield Contradicts(
                    actual, declared(facts, "name"), f"introduce {facts.get('name')} by that name"
                )
        if presenting:
            continue
        surfaces = [surface for surface in context.model.surfaces if surface.at.file == path]
        locations = [s.at for s in surfaces if name in plain(s.text)]
        locations += [
            line.at for line in context.model.lines if line.at.file == path and name in plain(line.text)
        ]
        if locations:
            yield Agrees(locations[0])
        else:
            actual = Quote(
                surfaces[0].at if surfaces else Location(path, 1),
                f"{path} does not mention {facts.get('name')}",
            )
            yield Contradicts(
                actual,
                declared(facts, "name"),
                f"mention {facts.get('name')} where the file states its purpose",
            )
