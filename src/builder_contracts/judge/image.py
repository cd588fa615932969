"""Judge promises about the runner image."""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.platforms import are_same
from builder_contracts.contract.promises.image import (
    ImageEntrypoint,
    ImageHealthcheck,
    ImageLabel,
    ImagePlatform,
    ImagePromise,
    ImageReference,
    ImageSetting,
    ImageSize,
)
from builder_contracts.contract.quantities import human_bytes
from builder_contracts.facts.model import Facts, FeatureFacts, ImageFacts, Seen, StartFacts, Unseen
from builder_contracts.judge.explanation import Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.redaction import hide_forms
from builder_contracts.verdict import Assessment, broken, kept, unproven

_NO_IMAGE = "On a real runner, which has no image to inspect, or in a pod, whose API does not show it (both skipped); or the engine did not respond."


def judge(promise: ImagePromise, facts: Facts) -> Assessment:
    if isinstance(promise, ImageReference):
        return _reference(promise, facts)
    image = facts.image
    if isinstance(image, Unseen):
        return unproven_because(image, ".image")
    match promise:
        case ImagePlatform():
            if are_same(image.platform, promise.platform):
                return kept(image.platform, inspect=".image.platform")
            if any(are_same(image.platform, other) for other in promise.others):
                return unproven(
                    f"this run looked at the image for {image.platform}; pass --platform {promise.platform}",
                    provable_here=False,
                    inspect=".image.platform",
                )
            return broken(
                image.platform,
                f"the image is for a different platform; build or pull it with --platform {promise.platform}",
                inspect=".image.platform",
            )
        case ImageLabel():
            return _label(promise, image)
        case ImageEntrypoint():
            if tuple(image.entrypoint) == promise.arguments:
                trial = facts.entrypoint
                if promise.arguments and isinstance(trial, StartFacts) and not trial.started:
                    return _failed_trial(trial)
                return kept(f"entry point {image.entrypoint}", inspect=".image.entrypoint")
            return broken(
                f"entry point {image.entrypoint}",
                "ENTRYPOINT changed in the Dockerfile or base image",
                inspect=".image.entrypoint",
            )
        case ImageSetting():
            return _setting(promise, image)
        case ImageHealthcheck():
            return _healthcheck(promise, image, facts.healthcheck)
        case ImageSize():
            seen = human_bytes(image.size)
            if image.size <= promise.most:
                return kept(seen, inspect=".image.size")
            return broken(
                f"{seen}, {human_bytes(image.size - promise.most)} over budget",
                "a layer grew; 'docker history' lists the largest ones",
                inspect=".image.size",
            )
        case _:
            assert_never(promise)


def _failed_trial(trial: StartFacts) -> Assessment:
    """A start by ENTRYPOINT, with the job's command as its arguments, that did not run the command."""
    if trial.hopeless:
        return broken(
            trial.output,
            "the program in ENTRYPOINT does not run the command that it gets as arguments",
            inspect=".entrypoint",
        )
    return unproven(f"the image did not start by its ENTRYPOINT: {trial.output}", inspect=".entrypoint")


def _reference(promise: ImageReference, facts: Facts) -> Assessment:
    start = facts.start
    if isinstance(start, Unseen):
        return unproven_because(start, ".start")
    if not start.exists:
        return broken(
            start.output,
            "the tag was never built or pushed, or was removed; fix the reference, build the image, or pass --pull",
            inspect=".start",
        )
    if not start.started and start.hopeless:
        return broken(
            f"no job of this class can run: {start.output}",
            "the start itself fails; run the image by hand in the same way",
            inspect=".start",
        )
    if not start.started:
        # The clauses on platform and shell show whether the image or its host is the cause.
        return unproven(f"its container did not start: {start.output}", inspect=".start")
    if start.image and not are_same_image(start.image, promise.reference):
        return broken(
            f"the pod runs {start.image}",
            f"the contract names {promise.reference}: change one of them, or pass --image if another image is meant",
            inspect=".start",
        )
    if start.digest:
        return kept(f"{start.image} is {start.digest[:19]}…", inspect=".start.digest")
    if isinstance(facts.image, Unseen):
        return unproven_because(facts.image, ".image")
    digest = facts.image.digest
    return kept(f"{facts.image.reference} is {digest[:19]}…", inspect=".image.reference")


def are_same_image(left: str, right: str) -> bool:
    """Whether two references name the same image, by the defaults of the Docker reference grammar."""
    return _canonical(left) == _canonical(right)


def _canonical(reference: str) -> str:
    reference = reference.removeprefix("docker.io/").removeprefix("library/")
    last = reference.rpartition("/")[2]
    return reference if ":" in last else f"{reference}:latest"


# Numbers that a Dockerfile can give instead of a name.
_SIGNALS = {"1": "SIGHUP", "2": "SIGINT", "3": "SIGQUIT", "9": "SIGKILL", "15": "SIGTERM"}


def _setting(promise: ImageSetting, image: ImageFacts) -> Assessment:
    values, inspect = {
        "CMD": (tuple(image.cmd), ".image.cmd"),
        "VOLUME": (tuple(sorted(image.volumes)), ".image.volumes"),
        "EXPOSE": (tuple(image.exposed), ".image.exposed"),
        "WORKDIR": ((image.workdir or "/",), ".image.workdir"),
        "USER": ((image.user or "root",), ".image.user"),
        "STOPSIGNAL": (
            (_SIGNALS.get(image.stop_signal, image.stop_signal) or "SIGTERM",),
            ".image.stop_signal",
        ),
    }[promise.instruction]
    seen = hide_forms(f"{promise.instruction} {' '.join(values)}") if values else f"no {promise.instruction}"
    if values == promise.values:
        return kept(seen, inspect=inspect)
    return broken(seen, f"{promise.instruction} changed in the Dockerfile or base image", inspect=inspect)


def _healthcheck(promise: ImageHealthcheck, image: ImageFacts, ended: Seen[FeatureFacts]) -> Assessment:
    inspect = ".image.healthcheck"
    declared = bool(image.healthcheck) and image.healthcheck != ["NONE"]
    seen = hide_forms(f"HEALTHCHECK {' '.join(image.healthcheck)}") if declared else "no HEALTHCHECK"
    if declared != promise.declared:
        likely = (
            "a HEALTHCHECK line in the Dockerfile or base image sets it"
            if declared
            else "the Dockerfile lacks a HEALTHCHECK line"
        )
        return broken(seen, likely, inspect=inspect)
    if not declared:
        return kept(seen, inspect=inspect)
    if isinstance(ended, Unseen):
        return unproven_because(ended, ".healthcheck")
    seen = f"{seen} exited with status {ended.status}"
    if ended.status == 0:
        return kept(seen, inspect=".healthcheck")
    return broken(
        f"{seen}: {hide_forms(ended.output) or 'no output'}",
        "the command or what it checks does not work in the job's container",
        inspect=".healthcheck",
    )


def _label(promise: ImageLabel, image: ImageFacts) -> Assessment:
    inspect = f'.image.labels["{promise.key}"]'
    value = image.labels.get(promise.key)
    if not promise.present:
        if value is None:
            return kept("not set", inspect=inspect)
        return broken(f"{value!r}", "a LABEL line in the Dockerfile or base image sets it", inspect=inspect)
    if value is None:
        labels = ", ".join(sorted(image.labels)) or "no labels"
        return broken(
            f"not set; image labels: {labels}", "the Dockerfile lacks a LABEL line for it", inspect=inspect
        )
    if promise.value is not None and value != promise.value:
        return broken(f"{value!r}", "the LABEL line was copied from another image", inspect=inspect)
    return kept(f"{value!r}", inspect=inspect)


def explain(promise: ImagePromise) -> Explanation:
    match promise:
        case ImageReference():
            return Explanation(
                how="The engine must have the image under this reference (or that of --image) and start a container from it. "
                "The digest is the evidence.",
                unproven="The engine does not respond; "
                "the reference names a registry, the image is not in the engine and --pull was not passed; "
                "or the image exists but its container does not start (see the platform and shell clauses).",
                why="With a dangling reference, every job of the class waits for a pod that never starts.",
                breaks="A tag that was never pushed or was removed.",
                fix=f"Fix the reference {promise.reference}, build the image, or push the tag.",
            )
        case ImagePlatform():
            return Explanation(
                how="Operating system, architecture and variant that the engine reports for the image.",
                unproven=_NO_IMAGE,
                why="An image for another platform runs only under emulation, or fails with 'exec format error'.",
                breaks="A build on another architecture without --platform.",
                fix=f"Build or pull the image with --platform {promise.platform}.",
            )
        case ImageLabel() if not promise.present:
            return Explanation(
                how="The image configuration must not contain the label.",
                unproven=_NO_IMAGE,
                why="Scanners and deployments react to the mere presence of a label.",
                breaks="A LABEL line in the Dockerfile or in a new base image release.",
                fix=f"Remove the LABEL line for {promise.key}, or use a base image without it.",
            )
        case ImageLabel():
            return Explanation(
                how="The label in the image configuration, compared with the promised value if there is one.",
                unproven=_NO_IMAGE,
                why="Labels tell scanners, registries and people what an image is and where it comes from.",
                breaks="The Dockerfile lacks the LABEL line, or the image was rebuilt with a different title.",
                fix=f"Add to the Dockerfile: LABEL {promise.key}={promise.value or '…'}.",
            )
        case ImageEntrypoint():
            return Explanation(
                how="The image's ENTRYPOINT, compared exactly. If one is promised, a container starts by it, "
                "and it must run the job's command that it gets as arguments.",
                unproven=_NO_IMAGE,
                why="The pool starts the image with its own command; "
                "an unexpected entry point swallows or alters it.",
                breaks="An ENTRYPOINT line in the Dockerfile or in a new base image release.",
                fix="Reset it in the Dockerfile (ENTRYPOINT []), or declare the intended one.",
            )
        case ImageSetting(instruction=instruction):
            return Explanation(
                how=f"The image's {instruction} in its configuration, compared exactly.",
                unproven=_NO_IMAGE,
                why="Engines and pools act on it whenever the pool's template is silent.",
                breaks="An instruction in the Dockerfile or in a new base image release.",
                fix=f"Set {instruction} in the Dockerfile as promised, or declare the intended value.",
            )
        case ImageHealthcheck() if not promise.declared:
            return Explanation(
                how="The image configuration must not contain a HEALTHCHECK.",
                unproven=_NO_IMAGE,
                why="An engine restarts or removes a container whose health check fails, with its job.",
                breaks="A HEALTHCHECK line in the Dockerfile or in a new base image release.",
                fix="Add HEALTHCHECK NONE to the Dockerfile.",
            )
        case ImageHealthcheck():
            return Explanation(
                how="The image configuration must contain a HEALTHCHECK; "
                "its command runs once in the job's container and must exit with 0.",
                unproven=f"{_NO_IMAGE} Also if the command does not end in time.",
                why="An engine restarts or removes a container whose health check fails, with its job.",
                breaks="A command that the image lacks, or a service that does not run in a job.",
                fix="Run the command in the image by hand, then fix it or what it checks.",
            )
        case ImageSize():
            return Explanation(
                how="The unpacked size that the engine reports for the image, compared with the budget.",
                unproven=_NO_IMAGE,
                why="Runners start cold: every job on a fresh node waits for the whole image.",
                breaks="A layer grew: a package cache, a debug build, a copied work tree.",
                fix="Shrink the largest layers ('docker history' lists them), or raise the budget deliberately.",
            )
        case _:
            assert_never(promise)
