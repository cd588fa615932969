"""Compares images of jobs, those that runners of GitLab give to jobs without one included, with those known to have no usable shell."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Iterator
from typing import Any

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.model import ImageUse, Template, split_reference
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.deployment.image_uses import image_uses
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Known


@rule("deployment/job-shells", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("deployment")
    patterns = facts.get("without_shell", default=[])
    uses = [(use, reference) for use, reference in image_uses(context) if use.by.startswith("job ")]
    yield from _hidden_stores(context)
    for use, reference in [*uses, *_defaults(context)]:
        if reference is None:
            continue
        name = split_reference(reference)[0].removeprefix("docker.io/")
        index = next((i for i, pattern in enumerate(patterns) if fnmatch.fnmatch(name, pattern)), None)
        if index is None:
            yield Agrees(use.reference.at)
        else:
            expected = declared(
                facts, "without_shell", index, says=f"{patterns[index]} has no usable /bin/sh"
            )
            yield Contradicts(
                Quote(use.reference.at, f"{use.by} runs in {reference}"),
                expected,
                "run it in an image with a shell",
            )


# An image of Nix has its programs, /bin/sh included, as links into this folder.
# Source: https://github.com/NixOS/nix/blob/2.24.9/docker.nix
_NIX_FOLDER = "/nix"


def _hidden_stores(context: RuleContext) -> Iterator[RuleResult]:
    """Empty volumes over the folder that holds every program of an image of Nix, by default or in a job."""
    in_jobs = [
        Quote(use.reference.at, f"{use.by} runs in {reference}")
        for use, reference in image_uses(context)
        if use.by.startswith("job ") and _is_nix(reference or "")
    ]
    for template, kubernetes in _pods(context):
        if template.every_switch:
            continue
        image, volumes = kubernetes.get("image"), kubernetes.get("volumes")
        empty = volumes.get("empty_dir") if isinstance(volumes, dict) else None
        paths = [volume.get("mount_path") for volume in empty or () if isinstance(volume, dict)]
        if _NIX_FOLDER not in paths:
            continue
        images = in_jobs
        if isinstance(image, str) and _is_nix(image):
            images = [Quote(template.line_of(image), f"jobs run in {image}"), *in_jobs]
        for quote in images[:1]:
            yield Contradicts(
                Quote(template.line_of(f'"{_NIX_FOLDER}"'), f"an empty volume is mounted at {_NIX_FOLDER}"),
                Quote(quote.at, f"{quote.says}, whose programs are in {_NIX_FOLDER}, /bin/sh included"),
                "mount no volume there, or fill it in an init container",
            )


def _is_nix(reference: str) -> bool:
    return split_reference(reference)[0].split("/")[-2:-1] in (["nixos"], ["nixpkgs"])


def _pods(context: RuleContext) -> Iterator[tuple[Template, dict[str, Any]]]:
    """What GitLab Runner gives to the pods of jobs, by each rendered template."""
    for template in context.model.templates:
        try:
            pods = template.pods
        except (tomllib.TOMLDecodeError, RecursionError):
            continue
        for kubernetes in pods:
            yield template, kubernetes


def _defaults(context: RuleContext) -> Iterator[tuple[ImageUse, str | None]]:
    """The images that runners of GitLab give to jobs that name none."""
    for template, kubernetes in _pods(context):
        image = kubernetes.get("image")
        if isinstance(image, str):
            yield ImageUse(Known(image, template.line_of(image)), "job without an image"), image
