"""What the platform is called, and where it says so."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder_contracts.errors import Source
from builder_contracts.truth.context import Context, declared, excerpt, quoted
from builder_contracts.truth.finding import Absent, Agrees, Contradicts, Observation, Side
from builder_contracts.truth.speech import denies, names_any, plain, same

_BEGINS_TEXT = re.compile(r"""(?:=\s*["']|["']{3})$""")
# Descriptions that are shown beside the repository's name wherever it is listed.
_PRESENTING = frozenset(
    {"README.md title", "flake description", "MODULE.bazel description", "package description"}
)


def current_name(context: Context) -> Iterator[Observation]:
    facts = context.facts("identity")
    name = plain(facts.get("name"))
    for path in facts.get("primary"):
        if path not in context.model.paths:
            continue
        presenting = [s for s in context.model.surfaces if s.at.file == path and s.kind in _PRESENTING]
        for surface in presenting:
            if name in plain(surface.text):
                yield Agrees(surface.at)
            else:
                actual = Side(surface.at, f"{surface.kind}: {excerpt(surface.text)}")
                yield Contradicts(
                    actual, declared(facts, "name"), f"introduce {facts.get('name')} by that name"
                )
        if presenting:
            continue
        surfaces = [surface for surface in context.model.surfaces if surface.at.file == path]
        locations = [s.at for s in surfaces if name in plain(s.text)]
        locations += [
            line.at for line in context.model.lines if line.at.file == path and name in plain(line.text)
        ]
        if locations:
            yield Agrees(locations[0])
        else:
            actual = Side(
                surfaces[0].at if surfaces else Source(path, 1),
                f"{path} does not mention {facts.get('name')}",
            )
            yield Contradicts(
                actual,
                declared(facts, "name"),
                f"mention {facts.get('name')} where the file states its purpose",
            )


def module_names(context: Context) -> Iterator[Observation]:
    facts = context.facts("identity")
    repository = facts.get("repository").rpartition("/")[2]
    for surface in context.model.surfaces:
        if not surface.exact:
            continue
        if same(surface.text, repository):
            yield Agrees(surface.at)
        else:
            actual = Side(surface.at, f"{surface.kind} is {surface.text!r}")
            yield Contradicts(
                actual, declared(facts, "repository"), f"name it after the repository, {repository}"
            )


def retired_names(context: Context) -> Iterator[Observation]:
    facts = context.facts("identity")
    exact = {surface.at for surface in context.model.surfaces if surface.exact}
    exact_lines = {(at.file, at.line) for at in exact}
    used = False
    for index, name in enumerate(facts.get("retired")):
        for line in context.lines:
            if line.at.file not in context.primary or (line.at.file, line.at.line) in exact_lines:
                continue
            if _is_identity(line.text, name) and not (line.prose and denies(line.text)):
                used = True
                fix = f"use {facts.get('name')}, or mark the name as former"
                yield Contradicts(
                    quoted(line), declared(facts, "retired", index, says=f"retired: {name}"), fix
                )
        for surface in context.model.surfaces:
            if surface.kind == "workflow name" and _is_identity(surface.text, name):
                used = True
                expected = declared(facts, "retired", index, says=f"retired: {name}")
                yield Contradicts(
                    Side(surface.at, f"workflow name: {surface.text}"), expected, "rename the workflow"
                )
    if not used:
        yield Absent(f"no retired names in {len(context.primary & context.model.paths)} primary files")


def _is_identity(text: str, name: str) -> bool:
    """Whether a name stands for the platform, not for an input, an option, a host or a namespace."""
    pattern = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])(?!\.\w)", re.IGNORECASE)
    for match in pattern.finditer(text):
        after, before = text[match.end() :], text[: match.start()]
        # "NAME: what it is" at the beginning of a text presents something; elsewhere NAME: is a key.
        begins_text = _BEGINS_TEXT.search(before) is not None
        is_key = not begins_text and re.match(r"[\"'`]?\s*[:=](?!=)", after) is not None
        is_use = (
            re.search(
                r"(inputs\.|--|://|namespace\S*[\s:=\"'`]+|-n[\s=]+|\$\{\{?\s*)$", before, re.IGNORECASE
            )
            is not None
        )
        if not is_key and not is_use:
            return True
    return False


def one_repository(context: Context) -> Iterator[Observation]:
    facts = context.facts("identity")
    repository = facts.get("repository")
    name = repository.rpartition("/")[2]
    current, expected = repository, declared(facts, "repository")
    origin = context.model.origin
    if origin is not None and same(origin[0].partition("/")[2], name):
        if same(origin[0], repository):
            yield Agrees(origin[1])
        else:
            actual = Side(origin[1], f"this checkout is {origin[0]}")
            yield Contradicts(
                actual, expected, "move the work to the declared repository, or declare this one"
            )
        current, expected = origin[0], Side(origin[1], f"this checkout is {origin[0]}")
    pattern = re.compile(
        rf"(?<![\w.-])(?:github\.com[/:]|github:)?([\w-]+)/({re.escape(name)})(?![\w-])", re.IGNORECASE
    )
    for line in context.lines:
        for match in pattern.finditer(line.text):
            if same(f"{match[1]}/{match[2]}", current):
                yield Agrees(line.at)
            elif not (line.prose and denies(line.text)):
                yield Contradicts(quoted(line), expected, f"point readers to {current}, which has the fixes")


def audiences(context: Context) -> Iterator[Observation]:
    facts = context.facts("identity")
    headings = [heading for document in context.documents for heading in document.headings]
    if not headings:
        return
    for audience, words in facts.get("audiences", default={}).items():
        place = next((heading.at for heading in headings if names_any(heading.text, words)), None)
        if place is not None:
            yield Agrees(place)
        else:
            actual = Side(
                context.entrance, f"no heading in {len(context.documents)} pages addresses the {audience}"
            )
            expected = declared(facts, "audiences", audience, says=f"the {audience} is one of the audiences")
            yield Contradicts(
                actual, expected, f"add a page for the {audience} and link it from the entry page"
            )
