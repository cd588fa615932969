"""Judges promises about the directories on a job's PATH."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builder_contracts.contract.promises.search_path import SearchPathRule
from builder_contracts.facts.model import DirectoryFacts, Facts, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept

_LIKELY = {
    "relative": "an ENV PATH line begins or ends with a colon, or names '.'",
    "writable_by_others": "a build step ran chmod too broadly",
    "writable_by_job": "PATH has a directory of the job's own, or a build step gave one to the job's user",
}


def judge(promise: SearchPathRule, facts: Facts) -> Assessment:
    if promise.rule == "relative":
        return _relative(facts)
    inspect = ".search_path"
    if isinstance(facts.search_path, Unseen):
        return unproven_because(facts.search_path, inspect)
    existing = [directory for directory in facts.search_path if directory.exists]
    total = len(existing)
    if promise.rule == "writable_by_others":
        unknown = next((item.mode for item in existing if isinstance(item.mode, Unseen)), None)
        if unknown is not None:
            return unproven_because(unknown, inspect)
    entries = [] if isinstance(facts.path, Unseen) else facts.path.split(":")
    wrong = list(_ways_in(promise, facts.search_path, entries))
    if wrong:
        return broken(
            f"writable: {'; '.join(wrong[:5])}",
            _LIKELY[promise.rule],
            inspect=inspect,
            checked=total,
            total=total,
        )
    return kept(f"{total} directories, none of them writable", inspect=inspect, checked=total, total=total)


def _writable(promise: SearchPathRule, directory: DirectoryFacts) -> bool:
    if promise.rule == "writable_by_job":
        return directory.writable
    return not isinstance(directory.mode, Unseen) and bool(directory.mode & 0o002)


def _ways_in(
    promise: SearchPathRule, directories: Sequence[DirectoryFacts], entries: Sequence[str]
) -> Iterator[str]:
    """The writable directories by which a program gets on PATH: an entry itself, or one above it."""
    for directory in directories:
        if not directory.exists or not _writable(promise, directory):
            continue
        start = f"{directory.path.rstrip('/')}/"
        below = [other for other in directories if other.path.startswith(start) and other is not directory]
        # With the sticky bit nobody renames what others own; what does not exist yet anybody makes.
        sticky = not isinstance(directory.mode, Unseen) and directory.mode & 0o1000
        if directory.path in entries or not below:
            yield directory.path
        elif not sticky or not all(other.exists for other in below):
            yield f"{directory.path}, above {below[-1].path}"


def _relative(facts: Facts) -> Assessment:
    inspect = ".path"
    if isinstance(facts.path, Unseen):
        return unproven_because(facts.path, inspect)
    wrong = [entry or "an empty entry" for entry in facts.path.split(":") if not entry.startswith("/")]
    if wrong:
        return broken(f"PATH has {', '.join(wrong[:5])}", _LIKELY["relative"], inspect=inspect)
    return kept(f"PATH is {facts.path}", inspect=inspect)


def explain(promise: SearchPathRule) -> Explanation:
    if promise.rule == "relative":
        return Explanation(
            how="Every entry of the job's PATH must begin with a slash; an empty entry means the working directory.",
            unproven=RUNNER_LOST + ".",
            why="A checkout could bring its own git or make, and the job would run it.",
            breaks="ENV PATH=.:…, or a variable that was empty when PATH was put together.",
            fix="Remove the entry from the ENV PATH line or the pool's template.",
        )
    return Explanation(
        how="The mode of each directory on the job's PATH and of those above it, and whether the job's user can create files there.",
        unproven=f"{RUNNER_LOST}; or the image lacks stat(1).",
        why="Who can write there replaces tools that later steps, or other users, run.",
        breaks="chmod 0777 or chown in a Dockerfile; an installer that unpacks as the job's user.",
        fix="Give the directory to root with mode 0755.",
    )
