"""Compares images of workloads with the sources that the platform mirrors."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder_contracts.errors import Location
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.deployment.images_exist import words
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import text

_PAIR = re.compile(r"source:\s*[\"']?([^\s\"']+)[\"']?\s*\n\s*target:\s*[\"']?([^\s\"']+)")

# Images of jobs and of builds, whose limits are those of the CI.
_NOT_DEPLOYED = ("job ", "service ", "Dockerfile")


@rule("deployment/images-mirrored", scope="own", words=words)
def check(context: RuleContext) -> Iterator[RuleResult]:
    path = context.facts("deployment").get("images", "mirrored_in")
    listed = context.model.kept.get(path, "") if path else ""
    pairs = {
        _plain(match[1]): (match[2], Location(path, listed.count("\n", 0, match.start()) + 1))
        for match in _PAIR.finditer(listed)
    }
    if not pairs:
        return
    last = list(pairs.values())[-1][1]
    for use in context.model.images:
        reference = text(use.reference)
        deployed = not use.by.startswith(_NOT_DEPLOYED) and not use.reference.at.file.startswith("docs/")
        if reference is None or "$" in reference or not deployed:
            continue
        mirrored = pairs.get(_plain(reference))
        if mirrored is not None:
            target, at = mirrored
            actual = Quote(use.reference.at, f"{use.by} pulls {reference}")
            yield Contradicts(actual, Quote(at, f"mirrored as {target}"), f"pull {target}")
        elif _is_of_docker_hub(reference):
            actual = Quote(use.reference.at, f"{use.by} pulls {reference} from Docker Hub")
            fix = "mirror it, and pull the mirror"
            yield Contradicts(actual, Quote(last, "the list of mirrored images does not have it"), fix)
        else:
            yield Agrees(use.reference.at)


def _plain(reference: str) -> str:
    return reference.removeprefix("docker.io/").removeprefix("library/")


def _is_of_docker_hub(reference: str) -> bool:
    registry, slash, _ = reference.partition("/")
    return (
        not slash
        or not ("." in registry or ":" in registry or registry == "localhost")
        or registry == "docker.io"
    )
