"""Read Dockerfiles: their base images, and the instructions that lead to the last stage."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from builder_contracts.errors import Location
from builder_contracts.truth.model import ImageBuild, ImageUse, Instruction, Model
from builder_contracts.truth.value import Known, Unknown, Value

# https://docs.docker.com/reference/dockerfile/: parser directives, here-documents, variables.
_CONTINUED = "\\\n"
_ESCAPE = re.compile(r"^#\s*escape\s*=\s*([\\`])\s*$", re.IGNORECASE)
_KEYWORD = re.compile(r"^\s*([A-Za-z]+)(?:\s+|$)")
_HEREDOC = re.compile(r"<<-?\s*([\"']?)([A-Za-z_]\w*)\1")
_FROM = re.compile(r"^(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_REFERENCE = re.compile(r"\$(?:\{(\w+)(?::?([-+?])([^}]*))?\}|(\w+))")


def is_dockerfile(path: str) -> bool:
    """Whether the name is one that image builders read."""
    name = path.rpartition("/")[2]
    return (
        name in ("Dockerfile", "Containerfile")
        or name.startswith("Dockerfile.")
        or name.endswith(".Dockerfile")
    )


def instructions(text: str, path: str) -> Iterator[Instruction]:
    """The instructions with continued lines joined; the body of a here-document belongs to its own."""
    lines = text.splitlines()
    directive = _ESCAPE.match(lines[0]) if lines else None
    escape = directive[1] if directive else "\\"
    index = 0
    while index < len(lines):
        first, keyword = index, _KEYWORD.match(lines[index])
        index += 1
        if keyword is None:
            continue
        line, parts = lines[first][keyword.end() :], []
        while line.rstrip().endswith(escape):
            parts.append(line.rstrip()[: -len(escape)])
            # Comments and empty lines between continued ones are not there for Docker.
            while index < len(lines) and (not lines[index].strip() or lines[index].lstrip().startswith("#")):
                parts.append("")
                index += 1
            line = lines[index] if index < len(lines) else ""
            index += 1
        words = _CONTINUED.join([*parts, line]).strip()
        body: list[str] = []
        for _, mark in _HEREDOC.findall(words) if keyword[1].upper() in ("RUN", "COPY", "ADD") else ():
            while index < len(lines) and lines[index].strip() != mark:
                body.append(lines[index])
                index += 1
            index += 1
        yield Instruction(keyword[1].upper(), words, "\n".join(body), Location(path, first + 1))


@dataclass(frozen=True)
class _Stage:
    base: Value
    before: _Stage | None
    own: list[Instruction] = field(default_factory=list)

    def steps(self) -> Iterator[Instruction]:
        """The steps of this stage after those of the stages that it starts from."""
        chain: list[_Stage] = []
        stage: _Stage | None = self
        while stage is not None:
            chain.append(stage)
            stage = stage.before
        for ancestor in reversed(chain):
            yield from ancestor.own


def read_dockerfile(text: str, path: str, model: Model) -> None:
    """Add the base images, and the build of the last stage; stages of the same file are not images."""
    stages: dict[str, _Stage] = {}
    arguments: dict[str, Value] = {}
    stage: _Stage | None = None
    for instruction in instructions(text, path):
        if instruction.keyword == "ARG" and stage is None:
            arguments.update(
                {name: Known(value, instruction.at) for name, value in _pairs(instruction.words)}
            )
        elif instruction.keyword == "FROM" and (match := _FROM.match(instruction.words)):
            base = expand(match[1], arguments, instruction.at)
            before = stages.get(str(base.data).lower()) if isinstance(base, Known) else None
            stage = _Stage(before.base if before else base, before)
            stages[str(match[2] or len(stages)).lower()] = stage
            if before is None and not (isinstance(base, Known) and base.data == "scratch"):
                model.images.append(ImageUse(base, "Dockerfile"))
        elif stage is not None:
            stage.own.append(instruction)
    if stage is not None:
        model.builds.append(ImageBuild(path, stage.base, tuple(stage.steps())))


def expand(written: str, names: Mapping[str, Value], at: Location) -> Value:
    """A word with its variables; Unknown where one of them is."""
    unknown: list[str] = []

    def value(use: re.Match[str]) -> str:
        name, operator, other = use[1] or use[4], use[2], use[3]
        named = names.get(name)
        if isinstance(named, Known):
            return str(named.data) if operator != "+" else other
        if isinstance(named, Unknown):
            unknown.append(named.reason)
        elif operator == "-":
            return str(other)
        else:
            unknown.append(f"{name} has no value in this file")
        return ""

    expanded = _REFERENCE.sub(value, written)
    return Unknown(unknown[0], at) if unknown else Known(expanded, at)


def _pairs(words: str) -> Iterator[tuple[str, str]]:
    try:
        parts = shlex.split(words.replace(_CONTINUED, " "))
    except ValueError:
        return
    for part in parts:
        name, equals, value = part.partition("=")
        if equals:
            yield name, value


def assignments(build: ImageBuild, keyword: str) -> dict[str, Value]:
    """The values that ENV or LABEL lines of a build leave, those of variables in them included."""
    values: dict[str, Value] = {}
    names: dict[str, Value] = {}
    for step in build.steps:
        if step.keyword == "ARG":
            for word in step.words.replace(_CONTINUED, " ").split():
                name = word.partition("=")[0]
                names.setdefault(name, Unknown(f"{name} is a build argument", step.at))
            continue
        if step.keyword not in ("ENV", keyword):
            continue
        before = dict(names)
        for name, value in _assigned(step, before):
            if step.keyword == "ENV":
                names[name] = value
            if step.keyword == keyword:
                values[name] = value
    return values


def _assigned(step: Instruction, names: dict[str, Value]) -> Iterator[tuple[str, Value]]:
    words = step.words.replace(_CONTINUED, " ")
    name, _, rest = words.partition(" ")
    if "=" not in name:
        # The old form: the name, and the rest of the line unchanged.
        yield name, expand(rest.strip(), names, step.at)
        return
    try:
        lexer = shlex.shlex(words, posix=True, punctuation_chars="")
        lexer.whitespace_split, lexer.commenters = True, ""
        pairs = [part.partition("=") for part in lexer]
    except ValueError:
        for name in re.findall(r"([\w.-]+)=", words):
            yield name, Unknown("unterminated quotes", step.at)
        return
    for name, equals, value in pairs:
        if not equals:
            continue
        if "$" in value and ("'" in words or "\\$" in words):
            yield name, Unknown("quoted or escaped variables are not expanded", step.at)
        else:
            yield name, expand(value, names, step.at)


def argument_list(step: Instruction) -> list[str] | None:
    """The arguments of the JSON form, None for the form that a shell reads."""
    if not step.words.startswith("["):
        return None
    try:
        listed = json.loads(step.words)
    except (ValueError, RecursionError):
        return None
    return [str(word) for word in listed] if isinstance(listed, list) else None
