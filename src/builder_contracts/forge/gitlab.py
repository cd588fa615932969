"""GitLab's REST API, version 4, on any server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from builder_contracts.forge.history import GONE, JOB, Stored
from builder_contracts.forge.http import Api, ForgeError, GoneError
from builder_contracts.forge.issues import LABEL, CloseIssue, Issue, IssueAction, OpenIssue, UpdateIssue


class GitLab:
    """A project at a GitLab server; ``project`` is its number or its path."""

    def __init__(self, project: str, token: str, *, base: str) -> None:
        self._project = f"/projects/{quote(project, safe='')}"
        self._api = Api(
            base,
            f"Bearer {token}" if token else "",
            "GITLAB_TOKEN needs scope 'api' and at least the Reporter role" if token else "set GITLAB_TOKEN",
        )

    def open_issues(self) -> list[Issue]:
        # Of this token's own user only: anybody may write an issue that looks like ours.
        query = {"state": "opened", "labels": LABEL, "scope": "created_by_me"}
        issues: list[Issue] = []
        for page in self._api.pages(f"{self._project}/issues", query):
            issues += [Issue(entry["iid"], entry["title"], entry["description"] or "") for entry in page]
        return issues

    def apply(self, action: IssueAction) -> str:
        issues = f"{self._project}/issues"
        match action:
            case OpenIssue(title, body):
                new = {"title": title, "description": body, "labels": LABEL}
                return f"opened {self._api.json('POST', issues, json=new)['web_url']}"
            case UpdateIssue(number, title, body, comment):
                made = self._api.json("PUT", f"{issues}/{number}", json={"title": title, "description": body})
                if comment:
                    self._api.request("POST", f"{issues}/{number}/notes", json={"body": comment})
                return f"updated {made['web_url']}"
            case CloseIssue(number, comment):
                self._api.request("POST", f"{issues}/{number}/notes", json={"body": comment})
                made = self._api.json("PUT", f"{issues}/{number}", json={"state_event": "close"})
                return f"closed {made['web_url']}"

    def last_history(self, file: str, *, start_anew: bool) -> Stored | None:
        branch = self._api.json("GET", self._project)["default_branch"]
        # A night with a report that could not be read fails, and has a history all the same.
        for page in self._api.pages(f"{self._project}/jobs", {"scope[]": ("success", "failed")}):
            for job in page:
                is_dashboard = job["name"] == JOB and job["ref"] == branch and not job["tag"]
                if is_dashboard and self._handed_on(job):
                    return self._stored(job, file, start_anew=start_anew)
        return None

    @staticmethod
    def _handed_on(job: Mapping[str, Any]) -> bool:
        """Whether it stored files. Those that have expired are in no list, but when they did is known."""
        kinds = {artifact["file_type"] for artifact in job["artifacts"]}
        return "archive" in kinds or job["artifacts_expire_at"] is not None

    def _stored(self, job: Mapping[str, Any], file: str, *, start_anew: bool) -> Stored | None:
        path = f"{self._project}/jobs/{job['id']}/artifacts/{quote(file)}"
        try:
            return Stored(self._api.request("GET", path).content, job["created_at"])
        except GoneError as error:
            if start_anew:
                return None
            raise ForgeError(f"{error}: artifacts of the previous night are gone: {GONE}") from None

    def planning(self) -> dict[str, list[Any]]:
        """Its milestones and issues, closed ones too, as the API has them."""
        return {
            kind: self._api.list_all(f"{self._project}/{kind}", {"state": "all"})
            for kind in ("milestones", "issues")
        }
