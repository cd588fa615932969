"""GitHub's REST API, version 2022-11-28, on github.com or an Enterprise server."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from builder_contracts.forge.history import ARTIFACT, GONE, Stored
from builder_contracts.forge.http import Api, ForgeError
from builder_contracts.forge.issues import LABEL, CloseIssue, Issue, IssueAction, OpenIssue, UpdateIssue

PUBLIC = "https://api.github.com"
MAX_ARCHIVE = 2 << 30
"""Bytes of an unpacked artifact, above which it is rejected."""


@dataclass(frozen=True)
class _Artifact:
    """A stored file of an earlier run. ``branch`` is the branch of that run, ``foreign`` is true for a fork."""

    created: str
    expired: bool
    branch: str
    foreign: bool
    url: str


class GitHub:
    """A repository at GitHub. ``author`` is whose issues count as ours."""

    def __init__(
        self,
        repository: str,
        token: str,
        *,
        base: str = PUBLIC,
        author: str = "github-actions[bot]",
    ) -> None:
        self._repository = f"/repos/{quote(repository)}"
        self._author = author
        self._api = Api(
            base,
            f"Bearer {token}" if token else "",
            "check the permissions of the job's token" if token else "set GITHUB_TOKEN",
            {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
        )

    def open_issues(self) -> list[Issue]:
        issues: list[Issue] = []
        query = {"state": "open", "labels": LABEL, "creator": self._author}
        for page in self._api.pages(f"{self._repository}/issues", query):
            # GitHub lists pull requests among issues.
            issues += [
                Issue(entry["number"], entry["title"], entry["body"] or "")
                for entry in page
                if "pull_request" not in entry
            ]
        return issues

    def apply(self, action: IssueAction) -> str:
        issues = f"{self._repository}/issues"
        match action:
            case OpenIssue(title, body):
                made = self._api.json("POST", issues, json={"title": title, "body": body, "labels": [LABEL]})
                return f"opened {made['html_url']}"
            case UpdateIssue(number, title, body, comment):
                made = self._api.json("PATCH", f"{issues}/{number}", json={"title": title, "body": body})
                if comment:
                    self._api.request("POST", f"{issues}/{number}/comments", json={"body": comment})
                return f"updated {made['html_url']}"
            case CloseIssue(number, comment):
                self._api.request("POST", f"{issues}/{number}/comments", json={"body": comment})
                done = {"state": "closed", "state_reason": "completed"}
                made = self._api.json("PATCH", f"{issues}/{number}", json=done)
                return f"closed {made['html_url']}"

    def last_history(self, file: str, *, start_anew: bool) -> Stored | None:
        branch = str(self._api.json("GET", self._repository)["default_branch"])
        # A fork's run can store under the same name, and so can a branch's.
        stored = [item for item in self._artifacts(ARTIFACT) if item.branch == branch and not item.foreign]
        alive = [item for item in stored if not item.expired]
        if stored and not alive and not start_anew:
            raise ForgeError(f"all {len(stored)} artifacts named {ARTIFACT} have expired: {GONE}")
        return Stored(self._member(alive[0], file), alive[0].created) if alive else None

    def _artifacts(self, name: str) -> list[_Artifact]:
        """Stored artifacts of that name, the latest first."""
        artifacts = []
        for page in self._api.pages(f"{self._repository}/actions/artifacts", {"name": name}):
            for entry in page["artifacts"]:
                run = entry.get("workflow_run") or {}
                artifacts.append(
                    _Artifact(
                        created=entry["created_at"],
                        expired=entry["expired"],
                        branch=run.get("head_branch") or "",
                        foreign=run.get("head_repository_id") != run.get("repository_id"),
                        url=entry["archive_download_url"],
                    )
                )
        return sorted(artifacts, key=lambda artifact: artifact.created, reverse=True)

    def _member(self, artifact: _Artifact, name: str) -> bytes:
        archive = self._api.request("GET", artifact.url).content
        try:
            with zipfile.ZipFile(io.BytesIO(archive)) as opened:
                if opened.getinfo(name).file_size > MAX_ARCHIVE:
                    raise ForgeError(f"{artifact.url}: {name} is larger than {MAX_ARCHIVE >> 30} GiB")
                return opened.read(name)
        except KeyError:
            raise ForgeError(f"{artifact.url}: contains no {name}") from None
        except zipfile.BadZipFile:
            raise ForgeError(f"{artifact.url}: not a zip archive") from None

    def jobs(self, run: str, attempt: str) -> Iterator[Mapping[str, Any]]:
        """The jobs of one attempt of a workflow run."""
        path = f"{self._repository}/actions/runs/{quote(run)}/attempts/{quote(attempt)}/jobs"
        for page in self._api.pages(path, {}):
            yield from page["jobs"]

    def planning(self) -> dict[str, list[Any]]:
        """Its milestones and issues, closed ones too, as the API has them."""
        return {
            kind: self._api.list_all(f"{self._repository}/{kind}", {"state": "all"})
            for kind in ("milestones", "issues")
        }
