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
                here = Side(surface.at, f"{surface.kind}: {excerpt(surface.text)}")
                yield Contradicts(
                    here, declared(facts, "name"), f"introduce {facts.get('name')} by that name"
                )
        if presenting:
            continue
        surfaces = [surface for surface in context.model.surfaces if surface.at.file == path]
        said = [s.at for s in surfaces if name in plain(s.text)]
        said += [line.at for line in context.model.lines if line.at.file == path and name in plain(line.text)]
        if said:
            yield Agrees(said[0])
        else:
            here = Side(
                surfaces[0].at if surfaces else Source(path, 1),
                f"{path} does not mention {facts.get('name')}",
            )
            yield Contradicts(
                here,
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
            here = Side(surface.at, f"{surface.kind} is {surface.text!r}")
            yield Contradicts(
                here, declared(facts, "repository"), f"name it after the repository, {repository}"
            )


def retired_names(context: Context) -> Iterator[Observation]:
    facts = context.facts("identity")
    exact = {surface.at for surface in context.model.surfaces if surface.exact}
    exact_lines = {(at.file, at.line) for at in exact}
    found = False
    for index, name in enumerate(facts.get("retired")):
        for line in context.lines:
            if line.at.file not in context.primary or (line.at.file, line.at.line) in exact_lines:
                continue
            if _is_identity(line.text, name) and not (line.prose and denies(line.text)):
                found = True
                mend = f"use {facts.get('name')}, or mark the name as former"
                yield Contradicts(
                    quoted(line), declared(facts, "retired", index, says=f"retired: {name}"), mend
                )
        for surface in context.model.surfaces:
            if surface.kind == "workflow name" and _is_identity(surface.text, name):
                found = True
                there = declared(facts, "retired", index, says=f"retired: {name}")
                yield Contradicts(
                    Side(surface.at, f"workflow name: {surface.text}"), there, "rename the workflow"
                )
    if not found:
        yield Absent(f"no retired names in {len(context.primary & context.model.paths)} primary files")


def _is_identity(text: str, name: str) -> bool:
    """Whether a name stands for the platform, not for an input, an option, a host or a namespace."""
    pattern = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])(?!\.\w)", re.IGNORECASE)
    for found in pattern.finditer(text):
        after, before = text[found.end() :], text[: found.start()]
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
    wanted, there = repository, declared(facts, "repository")
    origin = context.model.origin
    if origin is not None and same(origin[0].partition("/")[2], name):
        if same(origin[0], repository):
            yield Agrees(origin[1])
        else:
            here = Side(origin[1], f"this checkout is {origin[0]}")
            yield Contradicts(here, there, "move the work to the declared repository, or declare this one")
        wanted, there = origin[0], Side(origin[1], f"this checkout is {origin[0]}")
    pattern = re.compile(
        rf"(?<![\w.-])(?:github\.com[/:]|github:)?([\w-]+)/({re.escape(name)})(?![\w-])", re.IGNORECASE
    )
    for line in context.lines:
        for found in pattern.finditer(line.text):
            if same(f"{found[1]}/{found[2]}", wanted):
                yield Agrees(line.at)
            elif not (line.prose and denies(line.text)):
                yield Contradicts(quoted(line), there, f"point readers to {wanted}, which has the fixes")


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
            here = Side(
                context.entrance, f"no heading in {len(context.documents)} pages addresses the {audience}"
            )
            there = declared(facts, "audiences", audience, says=f"the {audience} is one of the audiences")
            yield Contradicts(here, there, f"add a page for the {audience} and link it from the entry page")
