"""Judges promises about the locale and the time zone of a job."""

from __future__ import annotations

from builder_contracts.contract.promises.localization import Locale, LocalizationPromise
from builder_contracts.facts.model import Facts, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept


def judge(promise: LocalizationPromise, facts: Facts) -> Assessment:
    if isinstance(promise, Locale):
        if isinstance(facts.env, Unseen):
            return unproven_because(facts.env, ".env")
        # Source: POSIX, section 8.2: the first that is set and not empty decides.
        name = next((name for name in ("LC_ALL", "LC_CTYPE", "LANG") if facts.env.get(name)), "")
        value = facts.env[name] if name else "POSIX"
        seen = f"{name}={value}" if name else "no locale variable is set"
        if _same_locale(value, promise.name):
            return kept(seen, inspect=".env")
        return broken(
            seen, "an ENV line is missing, or a variable of higher rank overrides it", inspect=".env"
        )
    if isinstance(facts.time_zone, Unseen):
        return unproven_because(facts.time_zone, ".time_zone")
    seen = f"time zone {facts.time_zone}"
    if facts.time_zone == promise.name:
        return kept(seen, inspect=".time_zone")
    return broken(seen, "TZ or /etc/localtime differs", inspect=".time_zone")


def _same_locale(name: str, other: str) -> bool:
    """Whether both are one to the C library, which reads UTF-8 and utf8 alike."""
    language, _, codeset = name.partition(".")
    other_language, _, other_codeset = other.partition(".")
    return language == other_language and _plain(codeset) == _plain(other_codeset)


def _plain(codeset: str) -> str:
    return codeset.replace("-", "").lower()


def explain(promise: LocalizationPromise) -> Explanation:
    if isinstance(promise, Locale):
        return Explanation(
            how="The first of LC_ALL, LC_CTYPE and LANG that is not empty in the job's environment.",
            unproven=RUNNER_LOST + ".",
            why="Tools read and write text by it; in the C locale, names with other characters break builds.",
            breaks="A lost ENV LANG line, or LC_ALL in the pool's template.",
            fix=f"Set ENV LANG={promise.name}.",
        )
    return Explanation(
        how="The abbreviation that date(1) prints in a job; UTC must also be at no offset, which TZ=UTC-5 is not.",
        unproven=f"{RUNNER_LOST}; or the image lacks date(1).",
        why="Timestamps in artifacts and tests of dates depend on it.",
        breaks="ENV TZ in the image or its base, or another /etc/localtime.",
        fix=f"Set the time zone to {promise.name}, or remove TZ.",
    )
