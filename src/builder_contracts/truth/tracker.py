"""The planning of a programme, from exports of its trackers or from GitHub itself.

Shapes: GitHub's REST API for issues and milestones (lists, or a mapping with ``milestones`` and ``issues``),
Linear's JSON export (``initiatives``, ``projects`` with ``projectMilestones``, as its GraphQL API nests them).
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder_contracts.errors import BuilderContractsError, InputError, Location, Problem

_MAX_BYTES = 50_000_000
_DEADLINE = 20.0
LINEAR = "https://api.linear.app/graphql"
# Connections of Linear's API, and the fields of theirs that a plan is read from.
_LINEAR_FIELDS = {
    "initiatives": "name status url",
    "projects": "name url status { type }",
    "projectMilestones": "name",
}


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
    """What is planned. ``linear`` is None when no export of Linear was given."""

    milestones: tuple[Milestone, ...]
    issues: tuple[TrackerIssue, ...]
    linear: tuple[Milestone, ...] | None
    github: bool


def read(paths: Iterable[Path]) -> Tracker:
    """Read exports. Raises InputError for a file that is not one."""
    documents = [(path, _json(path)) for path in paths]
    return _combine(documents)


def fetch(repository: str, base: str = "https://api.github.com", linear: str = LINEAR) -> Tracker:
    """Ask GitHub for the milestones and issues of OWNER/NAME, and Linear for the plan when LINEAR_API_KEY is set.

    GITHUB_TOKEN is used when it is set. Raises BuilderContractsError when one of them does not answer.
    """
    found: list[tuple[Path, Any]] = []
    for what in ("milestones", "issues"):
        entries: list[Any] = []
        for page in range(1, 51):
            url = f"{base}/repos/{repository}/{what}?state=all&per_page=100&page={page}"
            headers = {"Accept": "application/vnd.github+json"}
            if token := os.environ.get("GITHUB_TOKEN"):
                headers["Authorization"] = f"Bearer {token}"
            batch = _ask(urllib.request.Request(url, headers=headers), "GITHUB_TOKEN")  # noqa: S310
            if not isinstance(batch, list):
                raise BuilderContractsError(f"{url} did not answer with a list")
            entries += batch
            if len(batch) < 100:
                break
        found.append((Path(f"{base}/repos/{repository}/{what}"), entries))
    if key := os.environ.get("LINEAR_API_KEY"):
        found.append((Path(linear), {what: _linear_nodes(linear, key, what) for what in _LINEAR_FIELDS}))
    return _combine(found)


def _linear_nodes(url: str, key: str, what: str) -> list[Any]:
    """All entries of a connection of Linear's GraphQL API, page by page (https://linear.app/developers/pagination)."""
    query = (
        f"query($after: String) {{ {what}(first: 100, after: $after) "
        f"{{ nodes {{ {_LINEAR_FIELDS[what]} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    )
    entries: list[Any] = []
    after: str | None = None
    for _ in range(50):
        body = json.dumps({"query": query, "variables": {"after": after}}).encode()
        headers = {"Content-Type": "application/json", "Authorization": key}
        answer = _ask(urllib.request.Request(url, data=body, headers=headers), "LINEAR_API_KEY")  # noqa: S310
        try:
            connection = answer["data"][what]
            entries += connection["nodes"]
            after = connection["pageInfo"]["endCursor"] if connection["pageInfo"]["hasNextPage"] else None
        except (KeyError, TypeError):
            said = answer.get("errors") if isinstance(answer, dict) else None
            raise BuilderContractsError(f"{url} did not answer with {what}: {str(said)[:300]}") from None
        if after is None:
            break
    return entries


def _ask(request: urllib.request.Request, token: str) -> Any:
    # The URL is built from a base of https or of a test's loopback server, never from a checkout.
    url = request.full_url
    request.add_header("User-Agent", "builder-contracts")
    try:
        with urllib.request.urlopen(request, timeout=_DEADLINE) as answer:  # noqa: S310
            return json.loads(answer.read(_MAX_BYTES))
    except urllib.error.HTTPError as error:
        hint = f"; set {token}" if error.code in (400, 401, 403, 404) else ""
        raise BuilderContractsError(f"{url} answered {error.code} {error.reason}{hint}") from None
    except (OSError, ValueError) as error:
        raise BuilderContractsError(f"{url} did not answer: {error}") from None


def _json(path: Path) -> Any:
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise ValueError(f"larger than {_MAX_BYTES:,} bytes")
        return json.loads(raw)
    except OSError as error:
        raise InputError(
            [Problem(Location(str(path), 1), f"cannot be read: {error.strerror}", "check the path")]
        ) from None
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        mend = "export issues with 'gh api --paginate repos/OWNER/NAME/issues?state=all', or from Linear"
        raise InputError([Problem(Location(str(path), line), f"not JSON: {error}", mend)]) from None


def _combine(documents: list[tuple[Path, Any]]) -> Tracker:
    milestones: dict[str, Milestone] = {}
    issues: list[TrackerIssue] = []
    linear: list[Milestone] | None = None
    github = False
    for path, data in documents:
        at = Location(str(path), 1)
        if isinstance(data, dict) and {"initiatives", "projects"} & data.keys():
            linear = [*(linear or []), *_linear(data, at)]
            continue
        if isinstance(data, dict) and "data" in data and isinstance(data["data"], dict):
            linear = [*(linear or []), *_linear(data["data"], at)]
            continue
        entries = data if isinstance(data, list) else None
        if isinstance(data, dict) and {"milestones", "issues"} & data.keys():
            entries = [*_entries(data.get("milestones")), *_entries(data.get("issues"))]
        if entries is None:
            mend = "give GitHub's REST shape (lists of issues and milestones) or Linear's export"
            raise InputError([Problem(at, "neither an export of GitHub nor of Linear", mend)])
        github = True
        for entry in _entries(entries):
            _github(entry, at, milestones, issues)
    return Tracker(
        tuple(milestones.values()), tuple(issues), tuple(linear) if linear is not None else None, github
    )


def _entries(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict) and "nodes" in value:
        value = value["nodes"]
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _github(
    entry: dict[str, Any], at: Location, milestones: dict[str, Milestone], issues: list[TrackerIssue]
) -> None:
    title = entry.get("title")
    if not isinstance(title, str) or "pull_request" in entry:
        return
    place = Location(str(entry.get("html_url") or at.file), 1)
    # Only issues have a milestone field; it is null for none.
    if "milestone" in entry:
        milestone = entry["milestone"]
        name = milestone.get("title", "") if isinstance(milestone, dict) else ""
        issues.append(TrackerIssue(title, str(name), place))
        if isinstance(milestone, dict) and name:
            milestones.setdefault(name, Milestone(name, milestone.get("state") != "closed", place))
    else:
        milestones[title] = Milestone(title, entry.get("state") != "closed", place)


def _linear(data: dict[str, Any], at: Location) -> Iterator[Milestone]:
    for kind in ("initiatives", "projects", "projectMilestones", "milestones"):
        for entry in _entries(data.get(kind)):
            name = entry.get("name") or entry.get("title")
            if isinstance(name, str):
                state = entry.get("state") or entry.get("status") or ""
                closed = str(state.get("type") if isinstance(state, dict) else state).lower() in (
                    "completed",
                    "canceled",
                )
                yield Milestone(name, not closed, Location(str(entry.get("url") or at.file), 1))
            yield from _linear(entry, at)
