"""The planning of a programme, from exports of its trackers or from the trackers themselves.

Shapes: the REST API of GitHub or GitLab for issues and milestones (lists, or a mapping with ``milestones`` and
``issues``), Linear's JSON export (``initiatives``, ``projects`` with ``projectMilestones``, as its GraphQL API nests
them).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder_contracts.errors import InputError, Location, Problem

_MAX_BYTES = 50_000_000
_FIX = "pass GitHub REST JSON (lists of issues and milestones) or a Linear export"
_EXPORT = "export issues with 'gh api --paginate repos/OWNER/NAME/issues?state=all', or from Linear"
_CONNECTIONS = ("initiatives", "projects", "projectMilestones", "milestones")

Steps = tuple[str | int, ...]


@dataclass(frozen=True)
class Milestone:
    """A milestone, project milestone or project, and whether it is open."""

    title: str
    open: bool
    at: Location


@dataclass(frozen=True)
class TrackerIssue:
    """An issue and the milestone that it belongs to; empty for none."""

    title: str
    milestone: str
    at: Location


@dataclass(frozen=True)
class Tracker:
    """The plan. ``linear`` is None when no export of Linear was given."""

    milestones: tuple[Milestone, ...]
    issues: tuple[TrackerIssue, ...]
    linear: tuple[Milestone, ...] | None
    github: bool


def read(paths: Iterable[Path]) -> Tracker:
    """Read exports. Raises InputError for a file that is not one, with the line that is wrong."""
    return _combine([_load(path) for path in paths])


def fetch(repository: str, environment: Mapping[str, str] | None = None, *, linear_url: str = "") -> Tracker:
    """Ask the code host for the milestones and issues of OWNER/NAME, and Linear when LINEAR_API_KEY is set.

    Hosts and tokens come from the environment. Raises BuilderContractsError when one of them does not respond.
    """
    from builder_contracts.forge import linear
    from builder_contracts.forge.client import connect_planning

    env = os.environ if environment is None else environment
    documents = [_PlanDocument(repository, connect_planning(repository, env).planning())]
    if key := env.get("LINEAR_API_KEY"):
        url = linear_url or linear.URL
        documents.append(_PlanDocument(url, linear.planning(key, url)))
    return _combine(documents)


@dataclass(frozen=True)
class _PlanDocument:
    """An export: its name, its data, and its text if it is a file, which tells the line of a value."""

    name: str
    data: Any
    text: str = ""

    def get(self, value: Any, at: Steps, kind: type, form: str) -> Any:
        """The value at that path. Raises InputError if it has a different type."""
        if not isinstance(value, kind):
            where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in at).lstrip(".")
            shown = json.dumps(value)[:60]
            self.refuse(f"{where or 'the document'} is {shown}, expected {form}", at)
        return value

    def refuse(self, message: str, at: Steps = ()) -> None:
        line = _line_of(self.text, at) if self.text else 1
        raise InputError([Problem(Location(self.name, line), message, _FIX)])

    def entries(self, value: Any, at: Steps) -> Iterator[tuple[dict[str, Any], Steps]]:
        """The entries of a list, or of a connection of GraphQL, each with its path. Raises InputError."""
        if isinstance(value, dict) and "nodes" in value:
            value, at = value["nodes"], (*at, "nodes")
        for index, entry in enumerate(self.get(value, at, list, "a list")):
            yield self.get(entry, (*at, index), dict, "an object"), (*at, index)


def _load(path: Path) -> _PlanDocument:
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise ValueError(f"larger than {_MAX_BYTES:,} bytes")
        text = raw.decode("utf-8-sig")
        return _PlanDocument(str(path), json.loads(text), text)
    except OSError as error:
        raise InputError(
            [Problem(Location(str(path), 1), f"cannot be read: {error.strerror}", "check the path")]
        ) from None
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise InputError([Problem(Location(str(path), line), f"not JSON: {error}", _EXPORT)]) from None


def _line_of(text: str, at: Steps) -> int:
    """The line on which the value at a path begins in JSON that was read before."""
    position = _blanks(text, 0)
    decoder = json.JSONDecoder()
    for step in at:
        index: str | int = 0
        opened, position = text[position], _blanks(text, position + 1)
        while True:
            if opened == "{":
                index, position = decoder.raw_decode(text, position)
                position = _blanks(text, _blanks(text, position) + 1)  # the colon
            if index == step:
                break
            _, position = decoder.raw_decode(text, position)
            position = _blanks(text, _blanks(text, position) + 1)  # the comma
            index = index + 1 if isinstance(index, int) else index
    return text.count("\n", 0, position) + 1


def _blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _combine(documents: list[_PlanDocument]) -> Tracker:
    milestones: dict[str, Milestone] = {}
    issues: list[TrackerIssue] = []
    linear: list[Milestone] | None = None
    github = False
    for document in documents:
        data: Any = document.data
        at: Steps = ()
        if isinstance(data, dict) and isinstance(data.get("data"), dict):
            data, at = data["data"], ("data",)
        if isinstance(data, dict) and {"initiatives", "projects"} & data.keys():
            linear = [*(linear or []), *_linear(document, data, at)]
            continue
        lists: list[tuple[Any, Steps]] = [(data, at)] if isinstance(data, list) else []
        if isinstance(data, dict):
            lists = [(data[kind], (*at, kind)) for kind in ("milestones", "issues") if kind in data]
        if not lists:
            document.refuse("neither a GitHub nor a Linear export")
        github = True
        for value, path in lists:
            for entry, place in document.entries(value, path):
                _github(document, entry, place, milestones, issues)
    return Tracker(
        tuple(milestones.values()), tuple(issues), tuple(linear) if linear is not None else None, github
    )


def _github(
    document: _PlanDocument,
    entry: dict[str, Any],
    at: Steps,
    milestones: dict[str, Milestone],
    issues: list[TrackerIssue],
) -> None:
    if "pull_request" in entry:
        return
    title = document.get(entry.get("title"), (*at, "title") if "title" in entry else at, str, "a title")
    place = Location(str(entry.get("html_url") or entry.get("web_url") or document.name), 1)
    # Only issues have a milestone field; it is null for none.
    if "milestone" not in entry:
        milestones[title] = Milestone(title, entry.get("state") != "closed", place)
        return
    milestone, path = entry["milestone"], (*at, "milestone")
    if milestone is None:
        issues.append(TrackerIssue(title, "", place))
        return
    document.get(milestone, path, dict, "a milestone or null")
    name = document.get(milestone.get("title"), path, str, "a milestone with a title")
    issues.append(TrackerIssue(title, name, place))
    milestones.setdefault(name, Milestone(name, milestone.get("state") != "closed", place))


def _linear(document: _PlanDocument, data: dict[str, Any], at: Steps) -> Iterator[Milestone]:
    for kind in _CONNECTIONS:
        if data.get(kind) is None:
            continue
        for entry, path in document.entries(data[kind], (*at, kind)):
            name = document.get(entry.get("name") or entry.get("title"), path, str, "an entry with a name")
            state = entry.get("state") or entry.get("status") or ""
            text = str(state.get("type") if isinstance(state, dict) else state).lower()
            place = Location(str(entry.get("url") or document.name), 1)
            yield Milestone(name, text not in ("completed", "canceled"), place)
            yield from _linear(document, entry, path)
