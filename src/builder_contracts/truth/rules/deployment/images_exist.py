"""Compares tags with the list of the mirror."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence

from builder_contracts.contract.model import Contract
from builder_contracts.errors import Location
from builder_contracts.truth.checkout_scan import SearchWords
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.model import split_reference
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.deployment.image_uses import image_uses
from builder_contracts.truth.rules.registry import rule


def words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    del contracts
    path = platform.area("deployment").get("images", "mirrored_in")
    return SearchWords(keep=frozenset([path] if path else []))


@rule("deployment/images-exist", scope="own", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("deployment")
    path = facts.get("images", "mirrored_in")
    own, floating = facts.get("images", "own", default=[]), facts.get("images", "floating")
    if path is None or path not in context.model.kept:
        return
    listed = context.model.kept[path]
    for use, reference in image_uses(context):
        if reference is None or "$" in reference or use.reference.at.file == path:
            continue
        name, tag, digest = split_reference(reference)
        if (
            digest
            or not tag
            or tag in floating
            or any(fnmatch.fnmatch(reference, pattern) for pattern in own)
        ):
            continue
        short = re.escape(reference.removeprefix("docker.io/").removeprefix("library/"))
        if re.search(rf"(?<![\w.-]){short}(?![\w.-])", listed):
            yield Agrees(use.reference.at)
            continue
        of_same = re.search(rf"(?<![\w.-]){re.escape(name.removeprefix('docker.io/'))}:[\w.-]+", listed)
        line = listed.count("\n", 0, of_same.start()) + 1 if of_same else 1
        expected = Quote(
            Location(path, line), f"mirrored: {of_same[0]}" if of_same else f"{name} is not mirrored"
        )
        actual = Quote(use.reference.at, f"{use.by}: {reference}")
        yield Contradicts(actual, expected, "use a mirrored tag, or add this one to the mirror list")
