"""Judge promises about paths inside the runner."""

from __future__ import annotations

import json

from builder_contracts.contract.promises.filesystem import PathState
from builder_contracts.contract.quantities import human_bytes
from builder_contracts.facts.model import NOT_ASKED, Facts, FileFacts, PathFacts, Seen, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept


def judge(promise: PathState, facts: Facts) -> Assessment:
    inspect = f".paths[{json.dumps(promise.path)}]"
    path = facts.paths.get(promise.path, NOT_ASKED)
    if isinstance(path, Unseen):
        return unproven_because(path, inspect)
    if not promise.present:
        if path.type is None:
            return kept("does not exist", inspect=inspect)
        return broken(f"a {path.type}", "a package or Dockerfile instruction creates it", inspect=inspect)
    if path.type is None:
        return broken(
            "does not exist",
            "the package or Dockerfile instruction that creates it is missing",
            inspect=inspect,
        )
    seen = [path.type or "something"]
    for finding in (
        _type(promise, path, inspect),
        _bits(promise, path, seen, inspect),
        _replaceable(promise, facts),
        _details(promise, facts, seen),
        _free(promise, path, seen, inspect),
    ):
        if finding is not None:
            return finding
    return kept(", ".join(seen), inspect=inspect)


def _type(promise: PathState, path: PathFacts, inspect: str) -> Assessment | None:
    if path.type == "symlink" and promise.type != "symlink":
        return broken(
            "a dangling symbolic link",
            "the file that the link names is missing from the image",
            inspect=inspect,
        )
    if promise.type is None:
        return None
    if promise.type == "symlink":
        if path.symlink:
            return None
        return broken(f"a {path.type}, not a symbolic link", "a copy replaced the link", inspect=inspect)
    if path.type != promise.type:
        return broken(f"a {path.type}", "a different kind of file is installed at this path", inspect=inspect)
    return None


def _bits(promise: PathState, path: PathFacts, seen: list[str], inspect: str) -> Assessment | None:
    if promise.writable is not None:
        seen.append("writable" if path.writable else "not writable")
        if path.writable != promise.writable:
            return broken(
                seen[-1], "its owner or mode differs, or the job runs as a different user", inspect=inspect
            )
    if promise.mode is not None or promise.writable_by_others is not None:
        if isinstance(path.mode, Unseen):
            return unproven_because(path.mode, inspect)
        seen.append(f"mode {path.mode:04o}")
        if promise.mode is not None and path.mode != promise.mode:
            return broken(
                seen[-1],
                f"a build step changed the mode; run chmod {promise.mode:04o} {promise.path}",
                inspect=inspect,
            )
        if promise.writable_by_others is not None and bool(path.mode & 0o002) != promise.writable_by_others:
            return broken(seen[-1], "a build step ran chmod too broadly, or not at all", inspect=inspect)
    if promise.owner is not None:
        if isinstance(path.owner, Unseen):
            return unproven_because(path.owner, inspect)
        seen.append(f"owned by {path.owner}")
        if path.owner != promise.owner:
            return broken(
                seen[-1],
                f"a build step created it as a different user; chown it to {promise.owner}",
                inspect=inspect,
            )
    return None


def _replaceable(promise: PathState, facts: Facts) -> Assessment | None:
    """The problem with a directory in which the job can put another file in the place of this one, or None."""
    for directory in promise.looked_at[1:]:
        inspect = f".paths[{json.dumps(directory)}]"
        above = facts.paths.get(directory, NOT_ASKED)
        if isinstance(above, Unseen):
            return unproven_because(above, inspect)
        # With the sticky bit nobody replaces what others own.
        sticky = not isinstance(above.mode, Unseen) and above.mode & 0o1000
        if above.writable and not sticky:
            return broken(
                f"not writable, but {directory} is, so the job can replace it",
                "a build step ran chmod or chown on the directory",
                inspect=inspect,
            )
    return None


def _details(promise: PathState, facts: Facts, seen: list[str]) -> Assessment | None:
    if not promise.has_details:
        return None
    inspect = f".files[{json.dumps(promise.path)}]"
    file = facts.files.get(promise.path, NOT_ASKED)
    if isinstance(file, Unseen):
        return unproven_because(file, inspect)
    promised: tuple[tuple[str, object, Seen[object], str], ...] = (
        ("uid", promise.uid, file.uid, "a build step created it as a different user"),
        ("gid", promise.gid, file.gid, "a build step created it with a different group"),
        ("group", promise.group, file.group, "a build step created it with a different group"),
        ("link to", promise.target, file.target, "a package or build step set another target"),
        ("executable", promise.executable, file.executable, "its mode lost or gained the x bit"),
        ("sha256", promise.sha256, file.sha256, "another release or an edit changed the file"),
    )
    for name, value, fact, likely in promised:
        if value is None:
            continue
        where = f"{inspect}.{'target' if name == 'link to' else name}"
        if isinstance(fact, Unseen):
            if name == "link to":
                return broken("not a symbolic link", "a copy replaced the link", inspect=where)
            return unproven_because(fact, where)
        text = ("executable" if fact else "not executable") if name == "executable" else f"{name} {fact}"
        if fact != value:
            return broken(text, likely, inspect=where)
        seen.append(text)
    return _content(promise, file, seen)


def _content(promise: PathState, file: FileFacts, seen: list[str]) -> Assessment | None:
    if not promise.has_content:
        return None
    for pattern in promise.content_patterns:
        inspect = f".files[{json.dumps(promise.path)}].lines[{json.dumps(pattern.pattern)}]"
        line = file.lines.get(pattern.pattern, NOT_ASKED)
        if isinstance(line, Unseen):
            return unproven_because(line, inspect)
        if line is None:
            return broken(
                f"no line of the file matches /{pattern.pattern}/",
                "a package or build step wrote another file",
                inspect=inspect,
            )
        seen.append(f"holds {line!r}")
    return None


def _free(promise: PathState, path: PathFacts, seen: list[str], inspect: str) -> Assessment | None:
    if promise.free is None:
        return None
    if isinstance(path.free, Unseen):
        return unproven_because(path.free, inspect)
    seen.append(f"{human_bytes(path.free)} free")
    if path.free < promise.free:
        return broken(seen[-1], "the node's disk is full or the volume is too small", inspect=inspect)
    return None


def explain(promise: PathState) -> Explanation:
    if not promise.present:
        return Explanation(
            how="The path must not exist, as seen by the job's user.",
            unproven=f"{RUNNER_LOST}; "
            "or the user cannot search a parent directory, so absence cannot be established.",
            why="Jobs must not rely on unpromised paths, and some (a host's socket, a store) expose more than the class should.",
            breaks="A package, Dockerfile instruction or mounted volume creates it.",
            fix=f"Remove {promise.path} from the image, or the volume from the pool's template.",
        )
    return Explanation(
        how="The job's user inspects the path: type, write access, permission bits, owner, group, link target, checksum, content (up to 64 KiB) and free space, as far as the contract states them. "
        "Symbolic links are followed.",
        unproven=f"{RUNNER_LOST}; the user cannot search a parent directory; "
        "or the image lacks stat(1), needed for permission bits, owner and free space.",
        why="Jobs read it, write it, or rely on others being unable to.",
        breaks="A build step that ran as a different user, an excessive chmod, a root-owned volume, a full disk.",
        fix=f"Create {promise.path} in the image as promised ({promise.text}); "
        "check for volumes mounted over it.",
    )
