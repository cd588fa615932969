"""Promises about the user that a job runs as."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise, PromiseError


@dataclass(frozen=True)
class User:
    """The job's user has this name."""

    name: str

    @property
    def text(self) -> str:
        return f"jobs run as user {self.name}"


@dataclass(frozen=True)
class Uid:
    """The job's user has this numeric id."""

    uid: int

    @property
    def text(self) -> str:
        return f"jobs run with uid {self.uid}"


@dataclass(frozen=True)
class Gid:
    """The job's effective group has this numeric id."""

    gid: int

    @property
    def text(self) -> str:
        return f"jobs run with gid {self.gid}"


@dataclass(frozen=True)
class Groups:
    """The job is in no group but these (none listed: any), and in none of the forbidden ones."""

    allow: tuple[str, ...]
    forbid: tuple[str, ...]

    @property
    def text(self) -> str:
        parts = []
        if self.allow:
            parts.append(f"only {', '.join(self.allow)}")
        if self.forbid:
            parts.append(f"never {', '.join(self.forbid)}")
        return f"groups of a job: {'; '.join(parts)}"


@dataclass(frozen=True)
class Home:
    """HOME is this directory; it exists and the job can write there."""

    path: str

    @property
    def text(self) -> str:
        return f"HOME is {self.path}, exists and is writable"


@dataclass(frozen=True)
class Shell:
    """This shell runs: when started it calculates."""

    path: str

    @property
    def text(self) -> str:
        return f"{self.path} works as a shell"


@dataclass(frozen=True)
class NotRoot:
    """The job's uid is not 0."""

    @property
    def text(self) -> str:
        return "jobs never run as root"


IdentityPromise = User | Uid | Gid | Groups | Home | Shell | NotRoot


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[IdentityPromise]]:
    root = next(
        (field for field, value in (("uid", 0), ("user", "root")) if section.get(field) == value), None
    )
    if root and section.get("root") == "never":
        message = f"{root} {section[root]} is root, which conflicts with 'root: never'"
        raise PromiseError((*at, root), message, "remove one of them", against=(*at, "root"))
    for field, value in section.items():
        where = (*at, field)
        match field:
            case "user":
                yield NamedPromise(field, User(value), where)
            case "uid":
                yield NamedPromise(field, Uid(value), where)
            case "gid":
                yield NamedPromise(field, Gid(value), where)
            case "groups":
                groups = Groups(tuple(value.get("allow", ())), tuple(value.get("forbid", ())))
                if both := sorted({*groups.allow} & {*groups.forbid}):
                    raise PromiseError(
                        (*where, "allow"),
                        f"group {both[0]} is both allowed and forbidden",
                        "keep one of the two",
                        against=(*where, "forbid"),
                    )
                yield NamedPromise(field, groups, where)
            case "home":
                yield NamedPromise(field, Home(value), where)
            case "shell":
                yield NamedPromise(field, Shell(value), where)
            case "root":
                yield NamedPromise("not-root", NotRoot(), where)
            case _:
                raise NotImplementedError(f"identity.{field} is in the schema and has no promise")
