"""Workflows and actions of other repositories, from the checkouts of them that the user gives. Nothing is fetched."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.truth.checkout import MAX_BYTES
from builder_contracts.truth.git_index import read_plain
from builder_contracts.truth.readers import yaml
from builder_contracts.truth.value import Value


@dataclass(frozen=True)
class OtherCheckouts:
    """The root of a checkout for each ``owner/name``, in lower case, and what it is a checkout of, where that is given."""

    roots: Mapping[str, Path] = field(default_factory=dict)
    refs: Mapping[str, str] = field(default_factory=dict)

    def named(self, uses: str) -> str:
        """What ``uses`` names, without its ref; as it is written if the checkout is one of another ref."""
        return uses if self.other_ref(uses) else uses.partition("@")[0]

    def other_ref(self, uses: str) -> str:
        """The ref that the checkout of the repository in ``uses`` is of, if it is not the one used; else empty."""
        name, _, ref = uses.partition("@")
        given = self.refs.get("/".join(name.split("/")[:2]).lower(), ref)
        return "" if given == ref else given

    def workflow(self, name: str) -> Value | None:
        """The workflow that ``owner/name/.github/workflows/file`` names; None if no checkout has it."""
        return self._document(name) if name.count("/") == 4 else None

    def action(self, name: str) -> Value | None:
        """The action in the folder that ``owner/name/folder`` names; None if no checkout has it."""
        return self._document(f"{name}/action.yml") or self._document(f"{name}/action.yaml")

    def _document(self, name: str) -> Value | None:
        owner, _, rest = name.partition("/")
        repository, _, path = rest.partition("/")
        root = self.roots.get(f"{owner}/{repository}".lower())
        if root is None:
            return None
        file = root / posixpath.normpath(path)
        try:
            # What a repository names leads nowhere else, by ../ or by a link.
            if not file.resolve().is_relative_to(root.resolve()):
                return None
            written = read_plain(file, MAX_BYTES).decode("utf-8", "replace")
            return next(iter(yaml.read(written, str(file))), None)
        except (OSError, ValueError, yaml.NotYaml, RecursionError):
            return None


NO_OTHERS = OtherCheckouts()


def given_checkouts(options: Iterable[str]) -> OtherCheckouts:
    """The checkouts of options ``OWNER/NAME[@REF]=PATH``. Raises InputError."""
    roots: dict[str, Path] = {}
    refs: dict[str, str] = {}
    problems: list[Problem] = []
    for option in options:
        named, _, path = option.partition("=")
        name, at, ref = named.partition("@")
        if name.count("/") != 1 or not all(name.split("/")) or not path or (at and not ref):
            fix = "write owner/actions=../actions, or owner/actions@v1=../actions"
            problems.append(_problem(f"{option!r} is no OWNER/NAME[@REF]=PATH", fix))
        elif name.lower() in roots:
            problems.append(_problem(f"{name} is given twice", "pass one checkout of it"))
        elif not Path(path).is_dir():
            problems.append(_problem(f"{path} is no directory", f"pass the root of a checkout of {name}"))
        else:
            roots[name.lower()] = Path(path)
            refs.update({name.lower(): ref} if ref else {})
    if problems:
        raise InputError(problems)
    return OtherCheckouts(roots, refs)


def _problem(what: str, fix: str) -> Problem:
    return Problem(Location("--checkout"), what, fix)
