"""Judges promises about the runner image."""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.promises.image import (
    ImageEntrypoint,
    ImageLabel,
    ImagePlatform,
    ImagePromise,
    ImageReference,
    ImageSize,
)
from builder_contracts.contract.quantities import human_bytes
from builder_contracts.facts.model import Facts, ImageFacts, Unseen
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept, unproven


def judge(promise: ImagePromise, facts: Facts) -> Assessment:
    if isinstance(promise, ImageReference):
        return _reference(facts)
    image = facts.image
    if isinstance(image, Unseen):
        return unproven_because(image, ".image")
    match promise:
        case ImagePlatform():
            if image.platform == promise.platform:
                return kept(image.platform, look=".image.platform")
            return broken(
                image.platform,
                "the image was built or pulled for another machine; build or pull it with "
                f"--platform {promise.platform}",
                look=".image.platform",
            )
        case ImageLabel():
            return _label(promise, image)
        case ImageEntrypoint():
            if tuple(image.entrypoint) == promise.arguments:
                return kept(f"entry point {image.entrypoint}", look=".image.entrypoint")
            return broken(
                f"entry point {image.entrypoint}",
                "ENTRYPOINT in the Dockerfile or in its base image was changed",
                look=".image.entrypoint",
            )
        case ImageSize():
            seen = human_bytes(image.size)
            if image.size <= promise.most:
                return kept(seen, look=".image.size")
            return broken(
                f"{seen}, {human_bytes(image.size - promise.most)} over the budget",
                "a layer grew: 'docker history' on the image names the largest ones",
                look=".image.size",
            )
        case _:
            assert_never(promise)


def _reference(facts: Facts) -> Assessment:
    start = facts.start
    if isinstance(start, Unseen):
        return unproven_because(start, ".start")
    if not start.exists:
        return broken(
            start.said,
            "the tag was never pushed or built, or was removed; correct the reference, build the image, or allow "
            "a download with --pull",
            look=".start",
        )
    if not start.started:
        # Whether the image or its host is to blame is for the clauses on platform and shell to say.
        return unproven(f"the engine has it, but no container started from it: {start.said}", look=".start")
    if isinstance(facts.image, Unseen):
        return unproven_because(facts.image, ".image")
    digest = facts.image.digest
    return kept(f"{facts.image.reference} is {digest[:19]}…", look=".image.reference")


def _label(promise: ImageLabel, image: ImageFacts) -> Assessment:
    look = f'.image.labels["{promise.key}"]'
    value = image.labels.get(promise.key)
    if not promise.present:
        if value is None:
            return kept("not set", look=look)
        return broken(f"{value!r}", "a LABEL line of the Dockerfile or of its base image sets it", look=look)
    if value is None:
        known = ", ".join(sorted(image.labels)) or "no labels at all"
        return broken(
            f"not set; the image has {known}", "the Dockerfile lacks a LABEL line for it", look=look
        )
    if promise.value is not None and value != promise.value:
        return broken(f"{value!r}", "the LABEL line of another image was kept", look=look)
    return kept(f"{value!r}", look=look)
