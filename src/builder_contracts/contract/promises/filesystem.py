"""Promises about paths inside the runner."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise, PromiseError
from builder_contracts.contract.quantities import byte_count, human_bytes
from builder_contracts.contract.value_patterns import pattern


@dataclass(frozen=True)
class PathState:
    """The file or directory at a path. ``mode`` holds permission bits; ``free`` bytes of its file system."""

    path: str
    present: bool = True
    type: str | None = None
    mode: int | None = None
    owner: str | None = None
    writable: bool | None = None
    writable_by_others: bool | None = None
    free: int | None = None
    uid: int | None = None
    gid: int | None = None
    group: str | None = None
    target: str | None = None
    executable: bool | None = None
    sha256: str | None = None
    contains: str | None = None
    matches: re.Pattern[str] | None = None

    @property
    def looked_at(self) -> tuple[str, ...]:
        """The path, and the directory above what the job may not write, because there it could be replaced."""
        above = posixpath.dirname(self.path)
        return (self.path, above) if self.writable is False and above != self.path else (self.path,)

    @property
    def has_details(self) -> bool:
        """Whether more is promised than the type, the mode and the owner's name."""
        details = (self.uid, self.gid, self.group, self.target, self.executable, self.sha256)
        return self.has_content or any(detail is not None for detail in details)

    @property
    def has_content(self) -> bool:
        """Whether the text of the file is promised."""
        return bool(self.content_patterns)

    @property
    def content_patterns(self) -> tuple[re.Pattern[str], ...]:
        """What is searched in the text of the file; plain text as the pattern that matches it alone."""
        plain = (re.compile(re.escape(self.contains)),) if self.contains is not None else ()
        return (*plain, self.matches) if self.matches is not None else plain

    @property
    def text(self) -> str:
        if not self.present:
            return f"{self.path} does not exist"
        parts = [f"{self.path} is a {self.type}" if self.type else f"{self.path} exists"]
        if self.mode is not None:
            parts.append(f"mode {self.mode:04o}")
        if self.owner is not None:
            parts.append(f"owned by {self.owner}")
        if self.writable is not None:
            parts.append("writable by the job" if self.writable else "not writable by the job")
        if self.writable_by_others is not None:
            parts.append("writable by everybody" if self.writable_by_others else "not writable by everybody")
        parts += self._details()
        if self.free is not None:
            parts.append(f"at least {human_bytes(self.free)} free")
        return ", ".join(parts)

    def _details(self) -> Iterator[str]:
        if self.uid is not None:
            yield f"uid {self.uid}"
        if self.gid is not None:
            yield f"gid {self.gid}"
        if self.group is not None:
            yield f"group {self.group}"
        if self.target is not None:
            yield f"a link to {self.target}"
        if self.executable is not None:
            yield "executable by the job" if self.executable else "not executable by the job"
        if self.sha256 is not None:
            yield f"sha256 {self.sha256[:12]}…"
        if self.contains is not None:
            yield f"contains {self.contains!r}"
        if self.matches is not None:
            yield f"matches /{self.matches.pattern}/"


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[PathState]]:
    for path, value in section.items():
        where = (*at, path)
        # The clause id drops the first slash: filesystem/nix is the path /nix.
        name = path[1:] or "(root)"
        if isinstance(value, str):
            yield NamedPromise(name, PathState(path, present=value == "present"), where)
            continue
        mode = int(value["mode"], 8) if "mode" in value else None
        others = value.get("writable_by_others")
        if mode is not None and others is not None and bool(mode & 0o002) != others:
            raise PromiseError(
                (*where, "writable_by_others"),
                f"mode {mode:04o} conflicts with writable_by_others: {str(others).lower()}",
                "keep one of the two",
                against=(*where, "mode"),
            )
        if "target" in value and value.get("type", "symlink") != "symlink":
            raise PromiseError(
                (*where, "target"),
                f"target conflicts with type {value['type']}",
                "set type: symlink, or remove the target",
                against=(*where, "type"),
            )
        free = byte_count(value["free"]) if "free" in value else None
        if free == 0:
            raise PromiseError(
                (*where, "free"), "free: 0 promises nothing", "state how much free space a job needs"
            )
        yield NamedPromise(
            name,
            PathState(
                path,
                type=value.get("type"),
                mode=mode,
                owner=value.get("owner"),
                writable=value.get("writable"),
                writable_by_others=others,
                free=free,
                uid=value.get("uid"),
                gid=value.get("gid"),
                group=value.get("group"),
                target=value.get("target"),
                executable=value.get("executable"),
                sha256=value.get("sha256"),
                contains=value.get("contains"),
                matches=pattern(value["matches"], (*where, "matches")) if "matches" in value else None,
            ),
            where,
        )
