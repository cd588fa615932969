"""Promises about users and groups of the image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise


def _fields(*fields: tuple[str, Any]) -> str:
    parts = [
        f"{name} {', '.join(value) or 'none' if isinstance(value, tuple) else value}"
        for name, value in fields
        if value is not None
    ]
    return ": " + ", ".join(parts) if parts else ""


@dataclass(frozen=True)
class UserAccount:
    """A user has an entry with these fields, or none. ``groups`` are all of its groups."""

    name: str
    present: bool = True
    uid: int | None = None
    gid: int | None = None
    home: str | None = None
    shell: str | None = None
    groups: tuple[str, ...] | None = None

    @property
    def fields(self) -> tuple[tuple[str, Any], ...]:
        """The names of the promised fields, with their values or None."""
        return tuple((name, getattr(self, name)) for name in ("uid", "gid", "home", "shell", "groups"))

    @property
    def text(self) -> str:
        if not self.present:
            return f"user {self.name} does not exist"
        return f"user {self.name} exists{_fields(*self.fields)}"


@dataclass(frozen=True)
class GroupAccount:
    """A group has an entry with these fields, or none. ``members`` are all that the entry lists."""

    name: str
    present: bool = True
    gid: int | None = None
    members: tuple[str, ...] | None = None

    @property
    def fields(self) -> tuple[tuple[str, Any], ...]:
        """The names of the promised fields, with their values or None."""
        return (("gid", self.gid), ("members", self.members))

    @property
    def text(self) -> str:
        if not self.present:
            return f"group {self.name} does not exist"
        return f"group {self.name} exists{_fields(*self.fields)}"


AccountPromise = UserAccount | GroupAccount


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[AccountPromise]]:
    for field, kind, label in (("users", UserAccount, "user"), ("groups", GroupAccount, "group")):
        for name, value in section.get(field, {}).items():
            data: dict[str, Any] = {"present": value == "present"} if isinstance(value, str) else value
            plain: dict[str, Any] = {
                key: tuple(item) if isinstance(item, list) else item for key, item in data.items()
            }
            yield NamedPromise(f"{label}/{name}", kind(name, **plain), (*at, field, name))
