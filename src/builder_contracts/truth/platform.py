"""Platform contracts: what the documents, defaults and deployment of a platform must agree on, by area."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from builder_contracts.contract import schemas, validity
from builder_contracts.contract.document import Document, Pointer, read
from builder_contracts.contract.files import yaml_in
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.truth.cache_roles import join

ASSUMED = "assumed; confirm with the operator"
"""How reports speak of a fact that nobody has confirmed."""

_ITEM = re.compile(r"^\s*(?:[-*+\u2022]|\d+[.)])\s+")

AREAS = (
    "identity", "endpoints", "state", "topology", "enrolment",
    "lifecycle", "operator", "deployment", "workflows", "planning",
)  # fmt: skip
"""Areas in the order of reports; each has a file of that name and a schema ``platform-NAME``."""

# The schema of each other kind of document that a platform has.
_KINDS = {
    "ExitCriteria": "platform-exit-criteria",
    "Grounding": "platform-grounding",
    "CacheRoles": "cache-roles",
}


@dataclass(frozen=True)
class PlatformWaiver:
    """Permission for a clause to be broken through ``until`` (UTC), in the named files or everywhere."""

    reason: str
    until: date
    files: tuple[str, ...]
    source: Location

    def covers(self, file: str) -> bool:
        """Whether the waiver speaks of this file."""
        return not self.files or any(fnmatch.fnmatch(file, pattern) for pattern in self.files)


@dataclass(frozen=True)
class Citation:
    """A paragraph of the document that the contracts rest on; ``quote`` occurs in it and in no other paragraph of its section."""

    document: str
    section: str
    quote: str
    paragraph: str
    source: Location

    def __str__(self) -> str:
        return (
            f"{self.section}: \N{LEFT DOUBLE QUOTATION MARK}{self.paragraph}\N{RIGHT DOUBLE QUOTATION MARK}"
        )


@dataclass(frozen=True)
class Assumption:
    """A declared fact that nobody has confirmed, and the clauses that compare with it."""

    area: str
    fact: str
    clauses: tuple[str, ...]
    reason: str
    source: Location


@dataclass(frozen=True)
class PlatformClause:
    """One promise of the platform, and the paragraph that it rests on, if it names one."""

    area: str
    name: str
    promise: str
    ground: Citation | None
    why: str
    source: Location
    waiver: PlatformWaiver | None
    assumed: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"platform/{self.area}/{self.name}"


@dataclass(frozen=True)
class AreaDeclarations:
    """The declarations of an area, and their locations."""

    data: Mapping[str, Any]
    document: Document
    places: Mapping[Pointer, Location] = field(default_factory=dict)

    def get(self, *path: str | int, default: Any = None) -> Any:
        value: Any = self.data
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return default
        return value

    def at(self, *path: str | int) -> Location:
        """The line of a declared fact, which may be in a different document."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.document.source(("facts", *path))


@dataclass(frozen=True)
class Criterion:
    """An exit criterion and the clauses that it is computed from."""

    name: str
    text: str
    ground: Citation
    clauses: tuple[str, ...]
    source: Location


@dataclass(frozen=True)
class Platform:
    """All areas of one platform."""

    facts: Mapping[str, AreaDeclarations]
    clauses: tuple[PlatformClause, ...]
    milestone: str
    criteria: tuple[Criterion, ...]
    assumptions: tuple[Assumption, ...]
    digest: str
    folder: Path

    def area(self, name: str) -> AreaDeclarations:
        """The facts of an area; empty when the platform declares none."""
        nothing = Document({"facts": {}}, {(): Location(str(self.folder / f"{name}.yaml"), 1)})
        return self.facts.get(name) or AreaDeclarations({}, nothing)


_OF_CLASSES = {
    "labels": (
        "Jobs select labels that a class carries",
        "a job whose label nobody serves waits for a day and is then cancelled",
    ),
    "needs": (
        "Jobs need only what their class promises",
        "what a class does not promise can vanish with the next image",
    ),
    "local-actions": (
        "An action that a step names by path is in this repository",
        "GitHub finds out only when the job runs",
    ),
}


def of_classes_alone(folder: Path) -> Platform:
    """The platform of somebody who has contracts of classes and no more: the clauses that these can answer."""
    clauses = [
        PlatformClause("workflows", name, promise, None, why, Location(str(folder), 1), None)
        for name, (promise, why) in _OF_CLASSES.items()
    ]
    return Platform({}, tuple(clauses), "", (), (), "", folder / "platform")


def load(folder: Path) -> Platform:
    """Load the platform contracts in a folder. Raises InputError with every problem of all files."""
    if not folder.is_dir():
        fix = "pass --contracts DIR; they are in DIR/platform"
        raise InputError([Problem(Location(str(folder)), "no platform contracts found", fix)])
    problems: list[Problem] = []
    documents = _documents(folder, problems)
    if not problems and not documents.keys() & set(AREAS):
        fix = "add a file of kind PlatformContract"
        problems.append(Problem(Location(str(folder)), "no platform contract in this directory", fix))
    if problems:
        raise InputError(problems)
    platform = _platform(folder, documents, problems)
    if problems:
        raise InputError(problems)
    return platform


def check(folder: Path) -> list[Problem]:
    """Everything wrong with the platform contracts in a folder; nothing is wrong with a folder that does not exist."""
    problems: list[Problem] = []
    documents = _documents(folder, problems)
    if not problems:  # what follows from a document that does not load is not worth reading
        _platform(folder, documents, problems)
    return problems


def _documents(folder: Path, problems: list[Problem]) -> dict[str, Document]:
    """The documents of a folder by area, or by the name of their schema; what is wrong goes to ``problems``."""
    documents: dict[str, Document] = {}
    for path in yaml_in(folder):
        try:
            document = read(path)
            name = _subject(document)
            validity.check(_KINDS.get(document.data["kind"], f"platform-{name}"), document)
        except InputError as error:
            problems += error.problems
            continue
        first = documents.setdefault(name, document)
        if first is not document:
            message = f"{name} is already declared at {first.source(())}"
            problems.append(Problem(document.source(()), message, "merge the two files, or remove the copy"))
    return documents


def _subject(document: Document) -> str:
    """The area of a platform contract; of any other kind, the name of its schema. Raises InputError."""
    kind = document.data.get("kind") if isinstance(document.data, dict) else None
    if kind == "PlatformContract":
        return _area(document)
    if isinstance(kind, str) and kind in _KINDS:
        return _KINDS[kind]
    kinds = ["PlatformContract", *_KINDS]
    guess = schemas.nearest(kind, kinds) if isinstance(kind, str) else None
    fix = f"did you mean {guess!r}?" if guess else f"use one of {', '.join(kinds)}"
    message = (
        "document must be a mapping" if not isinstance(document.data, dict) else f"unknown kind {kind!r}"
    )
    raise InputError([Problem(document.source(("kind",)), message, fix)])


def _platform(folder: Path, documents: Mapping[str, Document], problems: list[Problem]) -> Platform:
    areas = {area: documents[area] for area in AREAS if area in documents}
    grounding = documents.get("platform-grounding")
    criteria = documents.get("platform-exit-criteria")
    clauses = [
        clause for area, document in areas.items() for clause in _clauses(area, document, grounding, problems)
    ]
    assumptions = tuple(
        assumption
        for area, document in areas.items()
        for assumption in _assumptions(area, document, problems)
    )
    facts = {
        area: AreaDeclarations(document.data.get("facts", {}), document) for area, document in areas.items()
    }
    if "endpoints" in areas:
        data, places = join(areas["endpoints"], documents.get("cache-roles"), problems)
        facts["endpoints"] = AreaDeclarations(data, areas["endpoints"], places)
    names = [clause.id.partition("/")[2] for clause in clauses]
    computed = _criteria(criteria, names, grounding, problems) if criteria else []
    milestone = criteria.data["milestone"] if criteria else ""
    digest = hashlib.sha256()
    for document in sorted(documents.values(), key=lambda document: document.source(()).file):
        digest.update(json.dumps(document.data, sort_keys=True).encode())
    return Platform(
        facts, tuple(clauses), milestone, tuple(computed), assumptions, f"sha256:{digest.hexdigest()}", folder
    )


def _area(document: Document) -> str:
    area = document.data.get("area")
    if area not in AREAS:
        guess = schemas.nearest(str(area), AREAS)
        fix = f"did you mean {guess!r}? " if guess else ""
        raise InputError(
            [
                Problem(
                    document.source(("area",)),
                    f"unknown area {area!r}",
                    f"{fix}known areas: {', '.join(AREAS)}",
                )
            ]
        )
    return str(area)


def _ground(
    document: Document,
    at: Pointer,
    data: Mapping[str, str],
    grounding: Document | None,
    problems: list[Problem],
) -> Citation:
    """The only paragraph with a quote; a problem if no paragraph has it, or several do."""
    section, quote = data["section"], data["quote"]
    if grounding is None:
        return Citation("", section, quote, quote, document.source(at))
    sections: Mapping[str, list[str]] = grounding.data["sections"]
    if section not in sections:
        guess = schemas.nearest(section, list(sections))
        fix = f"did you mean {guess!r}?" if guess else "use a section from grounding.yaml"
        where = document.source((*at, "section"))
        problems.append(Problem(where, f"grounding.yaml has no section {section!r}", fix))
        return Citation(grounding.data["document"], section, quote, quote, where)
    matches = [index for index, paragraph in enumerate(sections[section]) if quote in paragraph]
    if len(matches) != 1:
        many = (
            f"{len(matches)} paragraphs of {section!r} contain"
            if matches
            else f"no paragraph of {section!r} contains"
        )
        fix = "quote words that occur only in the intended paragraph"
        problems.append(Problem(document.source((*at, "quote")), f"{many} {quote!r}", fix))
        return Citation(grounding.data["document"], section, quote, quote, document.source(at))
    paragraph = sections[section][matches[0]]
    source = grounding.source(("sections", section, matches[0]))
    return Citation(grounding.data["document"], section, quote, paragraph, source)


def _clauses(
    area: str, document: Document, grounding: Document | None, problems: list[Problem]
) -> list[PlatformClause]:
    clauses: list[PlatformClause] = []
    assumed: dict[str, list[str]] = {}
    for assumption in document.data.get("assumed", []):
        for name in assumption.get("clauses", []):
            assumed.setdefault(name, []).append(assumption["fact"])
    waivers = document.data.get("waivers", {})
    for name, data in document.data["clauses"].items():
        waiver = _waiver(document, name, problems) if name in waivers else None
        source = document.source(("clauses", name))
        cited = data.get("ground")
        at = ("clauses", name, "ground")
        ground = None if cited is None else _ground(document, at, cited, grounding, problems)
        clauses.append(
            PlatformClause(
                area, name, data["promise"], ground, data["why"], source, waiver, tuple(assumed.get(name, ()))
            )
        )
    for name in waivers:
        if name not in document.data["clauses"]:
            where = document.source(("waivers", name))
            problems.append(
                Problem(where, f"waiver for clause {name!r}, which is not in this file", "remove it")
            )
    return clauses


def _waiver(document: Document, name: str, problems: list[Problem]) -> PlatformWaiver | None:
    data = document.data["waivers"][name]
    try:
        until = date.fromisoformat(data["until"])
    except ValueError as error:
        where = document.source(("waivers", name, "until"))
        problems.append(Problem(where, f"not a date: {error}", "write YYYY-MM-DD"))
        return None
    return PlatformWaiver(
        data["reason"], until, tuple(data.get("files", ())), document.source(("waivers", name))
    )


def with_waivers(platform: Platform, path: Path, judged: Collection[str]) -> Platform:
    """The platform with the waivers of a file for its clauses. ``judged`` are the ids that may be named. Raises InputError."""
    document = read(path)
    validity.check("waivers", document)
    problems: list[Problem] = []
    judged_clauses = {
        clause.id.removeprefix("platform/"): clause for clause in platform.clauses if clause.id in judged
    }
    waived: dict[str, PlatformClause] = {}
    for name in document.data["waivers"]:
        clause = judged_clauses.get(name)
        where = document.source(("waivers", name))
        if clause is None:
            guess = schemas.nearest(name, judged_clauses)
            fix = f"did you mean {guess!r}?" if guess else f"use one of {', '.join(sorted(judged_clauses))}"
            problems.append(
                Problem(where, f"waiver for {name!r}, which is no clause that is judged here", fix)
            )
        elif clause.waiver is not None:
            fix = "remove one of the two"
            problems.append(Problem(where, f"{name} is already waived at {clause.waiver.source}", fix))
        else:
            waived[clause.id] = replace(clause, waiver=_waiver(document, name, problems))
    if problems:
        raise InputError(problems)
    return replace(platform, clauses=tuple(waived.get(clause.id, clause) for clause in platform.clauses))


def _assumptions(area: str, document: Document, problems: list[Problem]) -> Iterator[Assumption]:
    for index, assumption in enumerate(document.data.get("assumed", [])):
        source = document.source(("assumed", index))
        value: Any = document.data.get("facts", {})
        for step in assumption["fact"].split("/"):
            value = value.get(step) if isinstance(value, dict) else None
        if value is None:
            problems.append(
                Problem(source, f"no fact {assumption['fact']!r} in this file", "name it with / between")
            )
        problems += [
            Problem(source, f"no clause {name!r} in this file", "name one that is")
            for name in assumption.get("clauses", [])
            if name not in document.data["clauses"]
        ]
        yield Assumption(
            area, assumption["fact"], tuple(assumption.get("clauses", ())), assumption["reason"], source
        )


def _criteria(
    document: Document, names: Sequence[str], grounding: Document | None, problems: list[Problem]
) -> list[Criterion]:
    criteria: list[Criterion] = []
    for name, data in document.data["criteria"].items():
        at: Pointer = ("criteria", name)
        for index, clause in enumerate(data["clauses"]):
            if clause not in names:
                guess = schemas.nearest(clause, names)
                problems.append(
                    Problem(document.source((*at, "clauses", index)), f"unknown clause {clause!r}",
                            f"did you mean {guess!r}?" if guess else "write AREA/CLAUSE")
                )  # fmt: skip
        clauses = tuple(f"platform/{clause}" for clause in data["clauses"])
        ground = _ground(document, (*at, "ground"), data["ground"], grounding, problems)
        criteria.append(Criterion(name, data["text"], ground, clauses, document.source(at)))
    return criteria


def ungrounded(platform: Platform, text: str) -> list[tuple[Location, Citation]]:
    """The clauses whose paragraph does not occur exactly once in its section of the grounding document."""
    named = [(clause.source, clause.ground) for clause in platform.clauses if clause.ground is not None]
    named += [(criterion.source, criterion.ground) for criterion in platform.criteria]
    sections = _sections(text, {ground.section for _, ground in named})
    return [
        (source, ground)
        for source, ground in named
        if sum(_plain(ground.paragraph) == paragraph for paragraph in sections.get(ground.section, [])) != 1
    ]


def _sections(text: str, headings: Set[str]) -> dict[str, list[str]]:
    """Paragraphs and list items by the heading above them; lines that are wrapped are one paragraph."""
    sections: dict[str, list[str]] = {}
    inside: list[str] = []
    going_on = False
    for line in text.splitlines():
        heading = line.strip().lstrip("#").strip()
        if heading in headings:
            inside, going_on = sections.setdefault(heading, []), False
        elif not line.strip() or line.lstrip().startswith("#"):
            going_on = False
        elif going_on and not _ITEM.match(line):
            inside[-1] = _plain(f"{inside[-1]} {line}")
        else:
            inside.append(_plain(_ITEM.sub("", line)))
            going_on = True
    return sections


def _plain(paragraph: str) -> str:
    return " ".join(paragraph.replace("`", "").split())
