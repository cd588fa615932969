"""Runs an image's health check in the job's container, as the engine would."""

from __future__ import annotations

from builder_contracts.facts.model import FeatureFacts, ImageFacts, Seen, Unseen
from builder_contracts.runner.protocol import Runner

SECONDS = 30.0
"""The engine's default deadline of a health check."""


def command(healthcheck: list[str]) -> list[str] | None:
    """The program and its arguments, or None for an image without a health check."""
    match healthcheck:
        case ["CMD", *words] if words:
            return words
        case ["CMD-SHELL", text]:
            return ["/bin/sh", "-c", text]
        case _:
            return None


def run(runner: Runner) -> Seen[FeatureFacts]:
    """How the health check of the runner's image ended."""
    image = runner.setting.image
    if not isinstance(image, ImageFacts):
        return image
    words = command(image.healthcheck)
    if words is None:
        return Unseen("the image declares no health check")
    completed = runner.execute(words, deadline=SECONDS)
    if completed.ended or completed.status is None:
        return Unseen(f"the health check did not complete: {completed.ended or 'no exit status'}")
    output = (completed.stdout + completed.stderr).decode("utf-8", errors="replace").strip()
    return FeatureFacts(completed.status, output[:300])
