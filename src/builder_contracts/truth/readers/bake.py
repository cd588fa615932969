"""Read files of ``docker buildx bake``, which define names that a Dockerfile can start from.

Format: https://docs.docker.com/build/bake/reference/. Variables have their default values; values that
matrices and functions compute are unknown.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, replace

from builder_contracts.errors import Location
from builder_contracts.truth.hcl.evaluator import Scope, evaluate
from builder_contracts.truth.hcl.syntax import Block, Expression, parse
from builder_contracts.truth.model import ImageBuild, Model
from builder_contracts.truth.value import Known, Unknown, Value, fields, items, text

_IMAGE, _TARGET = "docker-image://", "target:"


def is_bake(name: str) -> bool:
    """Whether bake reads a file of this name by itself."""
    return name in ("docker-bake.hcl", "docker-bake.override.hcl")


@dataclass(frozen=True)
class _Variables:
    """The variables of a file by their defaults."""

    blocks: dict[str, Expression]

    def resolve(self, path: Sequence[str], at: Location) -> tuple[Value, int]:
        default = self.blocks.get(path[0])
        if default is None:
            return Unknown(f"{path[0]} has no default", at), 1
        return evaluate(default, Scope(_Variables({}))), 1

    def function(self, name: str, arguments: Sequence[Value], at: Location) -> Value | None:
        del name, arguments, at
        return None


@dataclass(frozen=True)
class Target:
    """A target: the Dockerfile that it builds, the names that this one may use, and the tags of the image.

    The Dockerfile's path is relative to the directory in which bake runs: the root of the checkout, or the file's own.
    """

    name: str
    dockerfile: str
    folder: str
    contexts: dict[str, str]
    tags: tuple[str, ...]


def read_bake(raw: bytes, path: str) -> list[Target]:
    """The targets of a file."""
    root = parse(raw, path).root
    defaults = {block.labels[0]: block.attributes["default"] for block in root.all("variable")
                if block.labels and "default" in block.attributes}  # fmt: skip
    scope = Scope(_Variables(defaults))
    blocks = {block.labels[0]: block for block in root.all("target") if block.labels}
    return [_target(name, blocks, scope, posixpath.dirname(path)) for name in blocks]


def _target(name: str, blocks: dict[str, Block], scope: Scope, place: str) -> Target:
    chain = _inherited(name, blocks, scope, 0)

    def attribute(key: str) -> Value | None:
        expression = next((block.attributes[key] for block in chain if key in block.attributes), None)
        return evaluate(expression, scope) if expression is not None else None

    contexts: dict[str, str] = {}
    for block in reversed(chain):
        if "contexts" in block.attributes:
            values = fields(evaluate(block.attributes["contexts"], scope))
            contexts.update({key: written for key, value in values.items() if (written := text(value))})
    folder = text(attribute("context")) or "."
    dockerfile = posixpath.normpath(posixpath.join(folder, text(attribute("dockerfile")) or "Dockerfile"))
    tags = tuple(written for tag in items(attribute("tags")) if (written := text(tag)))
    return Target(name, dockerfile, place, contexts, tags)


def _inherited(name: str, blocks: dict[str, Block], scope: Scope, depth: int) -> list[Block]:
    """A target's block and those that it inherits from; the last one named counts most."""
    block = blocks.get(name)
    if block is None or depth > 9:
        return []
    parents = items(evaluate(block.attributes["inherits"], scope)) if "inherits" in block.attributes else []
    inherited = [
        ancestor
        for parent in reversed(parents)
        for ancestor in _inherited(text(parent) or "", blocks, scope, depth + 1)
    ]
    return [block, *inherited]


def join(model: Model, targets: Sequence[Target]) -> None:
    """Replace names that builds start from by their image, or by the steps of another build."""
    builds = {build.path: build for build in model.builds}
    targets = [
        target
        if target.dockerfile in builds
        else replace(target, dockerfile=posixpath.join(target.folder, target.dockerfile))
        for target in targets
    ]
    by_file = {target.dockerfile: target for target in targets}
    by_tag = {tag: target.dockerfile for target in targets for tag in target.tags}
    by_name = {target.name: target.dockerfile for target in targets}

    def whole(build: ImageBuild, depth: int) -> ImageBuild:
        target = by_file.get(build.path)
        stands_for = target.contexts.get(text(build.base) or "", "") if target else ""
        if stands_for.startswith(_TARGET):
            other = by_name.get(stands_for.removeprefix(_TARGET))
        else:
            reference = stands_for.removeprefix(_IMAGE)
            other = by_tag.get(reference)
            if other is None and stands_for.startswith(_IMAGE):
                return replace(build, base=Known(reference, build.base.at))
        if other is None or other not in builds or depth > 9:
            return build
        below = whole(builds[other], depth + 1)
        return replace(build, base=below.base, steps=(*below.steps, *build.steps))

    model.builds = [whole(build, 0) for build in model.builds]
    named = {(target.dockerfile, name) for target in targets for name in target.contexts}
    model.images = [use for use in model.images if (use.reference.at.file, text(use.reference)) not in named]
