"""Times, sizes and causes as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from builder_contracts.dashboard.analysis.status import Breakage, ClauseStatus, package_digest
from builder_contracts.dashboard.history.series import RecordedRun
from builder_contracts.verdict import Outcome, Rung

_KINDS_OF_THE_IMAGE = frozenset(
    "accounts commands filesystem image localization nix packages search_path toolchain trust".split()
)
"""Kinds of clauses that the image decides, wherever it runs."""

RUNG_NAMES = {rung: rung.name.lower() for rung in Rung}


def format_date(milliseconds: int) -> str:
    """A date as Sun 22 Nov 2026 (UTC)."""
    when = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{when:%a} {when.day} {when:%b %Y}"


def format_time(milliseconds: int) -> str:
    """A time as 22 Nov 2026, 02:10 UTC."""
    when = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{when.day} {when:%b %Y, %H:%M} UTC"


def format_seconds(seconds: float) -> str:
    """A duration as 0.05 s, 96 s or 7 min 10 s."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def format_bytes(size: float) -> str:
    """A size in binary units."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def format_quantity(quantity: str, value: float) -> str:
    """A measured value with the unit that its quantity's name ends in."""
    if quantity.endswith("_seconds"):
        return format_seconds(value)
    if quantity.endswith("_bytes"):
        return format_bytes(value)
    if quantity.endswith("_ratio"):
        return f"{value:.1%}"
    return f"{value:g}"


def format_tick(quantity: str, value: float) -> str:
    """A value as the scale of a plot shows it."""
    if value == 0:
        return "0"
    if quantity.endswith("_seconds"):
        return f"{value / 60:g} min" if value > 180 or value in (120, 150, 180) else f"{value:g} s"
    if quantity.endswith("_ratio"):
        return f"{value:.0%}"
    return format_quantity(quantity, value).replace(".0 ", " ")


def quantity_name(quantity: str) -> str:
    """A quantity without its unit: cold_seconds is cold."""
    for unit in ("_seconds", "_bytes", "_ratio", "_count"):
        quantity = quantity.removesuffix(unit)
    return quantity.replace("_", " ")


def shorten_digest(digest: str) -> str:
    """A digest as people compare them: its first twelve characters, without anything a digest cannot contain."""
    return re.sub(r"[^0-9A-Za-z._-]", "", digest.rpartition(":")[2])[:12]


def format_nights(count: int) -> str:
    """A number of nights."""
    return "1 night" if count == 1 else f"{count} nights"


def name_night(missed: int) -> str:
    """The night of an environment's latest run, for the reader of a page."""
    return "that night" if missed else "last night"


def describe_missed(nights: int) -> str:
    """The number of nights without a report of an environment, as text; empty if it reported."""
    return f"No class has reported for {format_nights(nights)}." if nights else ""


def describe_suspicion(
    change: Breakage, clauses: Sequence[ClauseStatus], quote: Callable[[str], str] = str
) -> str:
    """The first thing to check: the changes between the last good result and the first broken one.

    ``quote`` escapes what comes from reports for the target format.
    """
    before, after = change.before, change.after
    if before is None:
        if change.unproven:
            return f"Never kept so far: unproven for {format_nights(change.unproven)} before it broke."
        if change.new:
            return "New clause: broken at its first check."
        return "Broken since the start of the history; the change that caused it is unknown."
    when = f"since the last {before.verdict.value} run" if change.unproven else "in this run"
    sentence = _compare_runs(change, before.run, after.run, clauses, when, quote)
    if change.unproven:
        sentence = f"{sentence} It was unproven for {format_nights(change.unproven)} in between."
    if before.verdict is Outcome.WAIVED:
        sentence = f"It was waived before; check whether the waiver has expired. {sentence}"
    return sentence


def _compare_runs(
    change: Breakage,
    old: RecordedRun,
    new: RecordedRun,
    clauses: Sequence[ClauseStatus],
    when: str,
    quote: Callable[[str], str],
) -> str:
    changed = change.suspects
    image = f"image ({shorten_digest(old.image_digest)} → {shorten_digest(new.image_digest)})"
    contract = f"contract ({shorten_digest(old.contract_digest)} → {shorten_digest(new.contract_digest)})"
    if "image" in changed and "contract" in changed:
        return f"Suspect the {image} or the {contract}: both changed {when}."
    if "image" in changed:
        return f"Suspect the {image}: it changed {when}; the contract did not."
    if "contract" in changed:
        return f"Suspect the {contract}: it changed {when}{_image_clause(change)}."
    if "packages" in changed and not change.image_known:
        packages = f"({shorten_digest(package_digest(old))} → {shorten_digest(package_digest(new))})"
        return f"Suspect the image: the packages installed on the runner {packages} changed {when}."
    kinds = {clause.clause.kind for clause in clauses}
    # Before the host: a pod has a new name every night.
    if not change.image_known and kinds <= _KINDS_OF_THE_IMAGE:
        return "The contract is unchanged; the image is unknown. Suspect the image."
    if not change.image_known:
        same = "The contract is unchanged; the image is unknown"
    else:
        same = "Image and contract are unchanged"
    if "host" in changed:
        return f"{same}. Suspect the host: it changed from {quote(old.host)} to {quote(new.host)}."
    if "engine" in changed:
        return f"{same}. Suspect the engine: it changed from {quote(old.engine)} to {quote(new.engine)}."
    return f"{same}. {_suspect_by_kind(kinds)}"


def _image_clause(change: Breakage) -> str:
    return "; the image did not" if change.image_known else "; the image is unknown"


def _suspect_by_kind(kinds: set[str]) -> str:
    """The thing to check if nothing that a run records has changed."""
    if all(kind.startswith("canar") for kind in kinds):
        return "Suspect the canary: its inputs, or gradual growth (see its plot)."
    if any(kind in ("cache", "caches", "publication", "network", "daemon", "state") for kind in kinds):
        return "Suspect the service it uses, or the network in between."
    return "Suspect the runner's surroundings: cluster, node, settings."
