"""The settings of a class's own, and the verdict on a command that works only without them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from builder_contracts.verdict import Assessment, Outcome, broken

OWN = "the class's own settings"


@dataclass(frozen=True)
class ClassSetting:
    """A setting as its source spells it, such as ``substitute = false`` in /etc/nix/nix.conf."""

    text: str
    source: str

    def __str__(self) -> str:
        return f"{self.text} in {self.source}"


def name_settings(settings: Sequence[ClassSetting]) -> str:
    """The cause that these settings are."""
    return f"{OWN}: {', '.join(map(str, settings)) or 'none of those that the proof compares'}"


def judge_plain(plain: Assessment, forced: Assessment, settings: Sequence[ClassSetting]) -> Assessment:
    """The verdict on a plain command that failed, by the same command with its settings forced.

    If both fail, the settings are not the cause. A plain command that got no answer is broken only where a setting
    explains it: a service can also have been away for a moment.
    """
    if plain.outcome is Outcome.KEPT or forced.outcome is not Outcome.KEPT:
        return forced if plain.outcome is not Outcome.KEPT else plain
    if plain.outcome is Outcome.UNPROVEN and not settings:
        return plain
    return broken(
        f"the plain command fails: {plain.observation}; with the settings forced it works",
        name_settings(settings),
        fix="correct these settings in the image or in the pool's configuration"
        if settings
        else "compare the class's configuration with the options that the proof's page lists",
    )
