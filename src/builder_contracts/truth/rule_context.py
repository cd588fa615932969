"""The input of every rule: the platform's declarations and the model of a checkout."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from builder_contracts.contract.model import AUTOMATIC_LABELS, Contract
from builder_contracts.errors import Location
from builder_contracts.truth.finding import Quote
from builder_contracts.truth.model import DocumentationPage, KubernetesService, MatchedLine, Model, Sentence
from builder_contracts.truth.platform import AreaDeclarations, Platform
from builder_contracts.truth.prose import plain
from builder_contracts.truth.value import text

if TYPE_CHECKING:
    from builder_contracts.truth.tracker import Tracker


@dataclass(frozen=True)
class RuleContext:
    """One checkout before one platform and the contracts of its builder classes."""

    platform: Platform
    model: Model
    classes: tuple[Contract, ...] = ()
    tracker: Tracker | None = None
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def facts(self, area: str) -> AreaDeclarations:
        return self.platform.area(area)

    @cached_property
    def labels(self) -> Mapping[str, Contract]:
        """The class of each label."""
        return {label: contract for contract in self.classes for label in contract.labels}

    @cached_property
    def builders(self) -> tuple[tuple[frozenset[str], Contract], ...]:
        """Every set of labels that runners carry together, in lower case, and their class.

        Scale sets like a class are of the class. GitHub ignores case.
        """
        by_name = {contract.name: contract for contract in self.classes}
        extra = self.facts("enrolment").get("extra_scale_sets", default={})
        like = [
            (frozenset({label.lower()}), by_name[data["like"]])
            for label, data in extra.items()
            if data["like"] in by_name
        ]
        return (
            *((frozenset(map(str.lower, contract.labels)), contract) for contract in self.classes),
            *like,
        )

    def builders_of(self, labels: Iterable[str]) -> tuple[Contract, ...]:
        """The classes whose runners carry all of these labels: GitHub may give the job to any of them."""
        names = frozenset(map(str.lower, labels))
        # A scale set does not get the labels that other runners get by themselves.
        automatic = frozenset() if self.has_scale_sets else AUTOMATIC_LABELS
        serving = {
            contract.name: contract
            for carried, contract in self.builders
            if names & carried and names <= carried | automatic
        }
        return tuple(serving.values())

    @property
    def has_scale_sets(self) -> bool:
        """Whether the platform's classes are scale sets of ARC."""
        return self.facts("enrolment").get("charts") is not None

    @cached_property
    def services(self) -> Mapping[str, Sequence[KubernetesService]]:
        """The services of each name: every address in the checkout asks for its own."""
        by_name: dict[str, list[KubernetesService]] = {}
        for service in self.model.services:
            by_name.setdefault(text(service.name) or "", []).append(service)
        return by_name

    @cached_property
    def ours(self) -> bool:
        """Whether the checkout is the platform's own repository, by its name fields and its remote."""
        facts = self.facts("identity")
        if facts.get("name") is None:
            # A platform that declares no identity is asked about its own repository.
            return True
        names = [
            plain(name) for name in (facts.get("name", default=""), *facts.get("retired", default=[])) if name
        ]
        if self.model.origin and plain(self.model.origin[0].partition("/")[2]) in names:
            return True
        return any(
            plain(surface.text) in names
            or (not surface.exact and any(name in plain(surface.text) for name in names))
            for surface in self.model.surfaces
        )

    @cached_property
    def primary(self) -> frozenset[str]:
        return frozenset(self.facts("identity").get("primary", default=[]))

    def is_history(self, path: str) -> bool:
        """Whether a file records the past or breaks things on purpose."""
        judged: dict[str, bool] = self.memo.setdefault("history", {})
        if path not in judged:
            patterns = self.facts("identity").get("history", default=[])
            judged[path] = any(fnmatch.fnmatch(path, pattern) for pattern in patterns)
        return judged[path]

    @cached_property
    def lines(self) -> tuple[MatchedLine, ...]:
        """Lines that make claims."""
        return tuple(line for line in self.model.lines if not self.is_history(line.at.file))

    @cached_property
    def documents(self) -> tuple[DocumentationPage, ...]:
        """The pages of the documentation. Parsing them is what costs most, and few rules need it."""
        from builder_contracts.truth.readers import markdown

        return tuple(markdown.read_markdown(text, path) for path, text in self.model.pages)

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """Sentences and table rows of the documentation that make claims."""
        sentences: list[Sentence] = []
        for document in self.documents:
            if not self.is_history(document.path):
                sentences += document.sentences
                for table in document.tables:
                    for row in filter(None, table.rows):
                        whole = " | ".join(cell.text for cell in row)
                        sentences.append(Sentence(whole, row[0].at, whole))
        return tuple(sentences)

    @property
    def entrance(self) -> Location:
        """The page that a reader of the documentation opens first: missing statements are reported there."""
        for path in ("docs/index.md", "docs/README.md", "README.md"):
            if path in self.model.paths:
                return Location(path, 1)
        return Location("README.md", 1)

    @property
    def searched(self) -> str:
        return f"{self.model.files} files"


def declared(facts: AreaDeclarations, *path: str | int, says: str | None = None) -> Quote:
    """The side of a comparison that the contract declares."""
    value = facts.get(*path)
    return Quote(facts.at(*path), says if says is not None else f"declared: {value}")


def excerpt(text: str, limit: int = 120) -> str:
    """A line as a report quotes it."""
    shown = " ".join(text.split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def quoted(line: MatchedLine) -> Quote:
    """A line of the checkout as one side."""
    return Quote(line.at, excerpt(line.text))


def rows_of(context: RuleContext) -> Iterator[tuple[tuple[str, ...], tuple[Location, tuple[str, ...]]]]:
    """Rows of tables with their headers in lower case."""
    for document in context.documents:
        if context.is_history(document.path):
            continue
        for table in document.tables:
            headers = tuple(header.lower() for header in table.headers)
            for row in table.rows:
                if row:
                    yield headers, (row[0].at, tuple(cell.text for cell in row))
