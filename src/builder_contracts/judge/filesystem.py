"""Judges promises about paths inside the runner."""

from __future__ import annotations

import json

from builder_contracts.contract.promises.filesystem import PathState
from builder_contracts.contract.quantities import human_bytes
from builder_contracts.facts.model import NOT_ASKED, Facts, PathFacts, Unseen
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept


def judge(promise: PathState, facts: Facts) -> Assessment:
    look = f".paths[{json.dumps(promise.path)}]"
    path = facts.paths.get(promise.path, NOT_ASKED)
    if isinstance(path, Unseen):
        return unproven_because(path, look)
    if not promise.present:
        if path.type is None:
            return kept("nothing there", look=look)
        return broken(f"a {path.type}", "a package or an instruction of the image creates it", look=look)
    if path.type is None:
        return broken("nothing there", "the package or instruction that creates it is missing", look=look)
    seen = [path.type or "something"]
    for finding in (
        _type(promise, path, look),
        _bits(promise, path, seen, look),
        _free(promise, path, seen, look),
    ):
        if finding is not None:
            return finding
    return kept(", ".join(seen), look=look)


def _type(promise: PathState, path: PathFacts, look: str) -> Assessment | None:
    if promise.type is None:
        return None
    if promise.type == "symlink":
        if path.symlink:
            return None
        return broken(f"a {path.type}, not a symbolic link", "the link was replaced by a copy", look=look)
    if path.type != promise.type:
        return broken(f"a {path.type}", "something else was installed at this path", look=look)
    return None


def _bits(promise: PathState, path: PathFacts, seen: list[str], look: str) -> Assessment | None:
    if promise.writable is not None:
        seen.append("writable" if path.writable else "not writable")
        if path.writable != promise.writable:
            return broken(seen[-1], "its owner or mode differs, or the job runs as another user", look=look)
    if promise.mode is not None or promise.writable_by_others is not None:
        if isinstance(path.mode, Unseen):
            return unproven_because(path.mode, look)
        seen.append(f"mode {path.mode:04o}")
        if promise.mode is not None and path.mode != promise.mode:
            return broken(
                seen[-1], f"a build step changed it: chmod {promise.mode:04o} {promise.path}", look=look
            )
        if promise.writable_by_others is not None and bool(path.mode & 0o002) != promise.writable_by_others:
            return broken(seen[-1], "a build step ran chmod too freely, or forgot it", look=look)
    if promise.owner is not None:
        if isinstance(path.owner, Unseen):
            return unproven_because(path.owner, look)
        seen.append(f"owned by {path.owner}")
        if path.owner != promise.owner:
            return broken(
                seen[-1], f"a build step created it as another user: chown {promise.owner}", look=look
            )
    return None


def _free(promise: PathState, path: PathFacts, seen: list[str], look: str) -> Assessment | None:
    if promise.free is None:
        return None
    if isinstance(path.free, Unseen):
        return unproven_because(path.free, look)
    seen.append(f"{human_bytes(path.free)} free")
    if path.free < promise.free:
        return broken(seen[-1], "the node's disk is full or the volume is too small", look=look)
    return None
