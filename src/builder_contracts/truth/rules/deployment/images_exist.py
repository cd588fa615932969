"""Compares tags with those that their registry is known to have, and with the list of the mirror."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence

from builder_contracts.contract.model import Contract
from builder_contracts.errors import Location
from builder_contracts.truth.checkout_scan import SearchWords
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.known_software import known_software
from builder_contracts.truth.model import image_name, split_reference
from builder_contracts.truth.platform import Platform
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.deployment.image_uses import image_uses
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import text


def words(platform: Platform, contracts: Sequence[Contract]) -> SearchWords:
    del contracts
    path = platform.area("deployment").get("images", "mirrored_in")
    return SearchWords(keep=frozenset([path] if path else []))


@rule("deployment/images-exist", scope="own", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("deployment")
    path = facts.get("images", "mirrored_in")
    own, floating = facts.get("images", "own", default=[]), facts.get("images", "floating")
    yield from _check_registries(context)
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
        if _published(reference) is False:
            continue
        if re.search(rf"(?<![\w.-]){short}(?![\w.-])", listed):
            yield Agrees(use.reference.at)
            continue
        of_same = re.search(rf"(?<![\w.-]){re.escape(name.removeprefix('docker.io/'))}:[\w.-]+", listed)
        if of_same is None:
            yield Undetermined(
                use.reference.at,
                f"{use.by}: only the registry knows whether {reference} exists",
                decidable=False,
            )
            continue
        line = listed.count("\n", 0, of_same.start()) + 1
        expected = Quote(Location(path, line), f"mirrored: {of_same[0]}")
        actual = Quote(use.reference.at, f"{use.by}: {reference}")
        yield Contradicts(actual, expected, "use a mirrored tag, or add this one to the mirror list")


def _check_registries(context: RuleContext) -> Iterator[RuleResult]:
    """References, those of the mirror's own list included, to images whose registry has only some tags."""
    places = [(text(use.reference), use.reference.at, use.by) for use in context.model.images]
    for path, listed in context.model.kept.items():
        for image in known_software().images.values():
            for match in re.finditer(rf"(?<![\w./-])(?:docker\.io/)?{re.escape(image.name)}:[\w.-]+", listed):
                line = listed.count("\n", 0, match.start()) + 1
                places.append((match[0], Location(path, line), "mirrored"))
    for reference, at, by in places:
        published = _published(reference or "")
        if published is None:
            continue
        image = known_software().images[image_name(reference or "")]
        if published:
            yield Agrees(at)
            continue
        expected = Quote(at, f"{image.name} has only: {', '.join(image.tags)} ({image.reference})")
        yield Contradicts(Quote(at, f"{by}: {reference}"), expected, "pin a digest, or use another image")


def _published(reference: str) -> bool | None:
    """Whether the registry has the tag; None where that is not known, or a digest counts."""
    image = known_software().images.get(image_name(reference))
    _, tag, digest = split_reference(reference)
    if image is None or digest or not tag:
        return None
    return tag in image.tags
