"""The few REST endpoints of GitHub and GitLab that a nightly run needs.

Outside facts: GitHub's REST API of version 2022-11-28, GitLab's of version 4. A token comes from the
environment only, so that it is in no process list and no log.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from builder_contracts.dashboard.nightly.breakage_issues import LABEL, Action, Close, Issue, Open, Update
from builder_contracts.errors import BuilderContractsError

DEADLINE = 30.0
"""Seconds for one answer."""

MAX_ARCHIVE = 2 << 30
"""Bytes of an unpacked artifact, above which it is refused."""

ARTIFACT = "contract-history"
JOB = "dashboard"
"""Where a night hands its history on to the next: an artifact at GitHub, a job's artifacts at GitLab."""

_PAGES = 50
_GONE = "add the old files again, or --start-anew"


class ForgeError(BuilderContractsError):
    """The forge did not answer, or refused."""


class GoneError(ForgeError):
    """What was asked for is not there."""


@dataclass(frozen=True)
class Stored:
    """A history that an earlier night stored, and when."""

    content: bytes
    created: str


class Forge(Protocol):
    """One repository: its issues, and what its earlier nights stored."""

    def open_issues(self) -> list[Issue]:
        """The open issues that this product made."""
        ...

    def apply(self, action: Action) -> str:
        """Do it; what was done, in words with the issue's address."""
        ...

    def last_history(self, file: str, *, start_anew: bool) -> Stored | None:
        """The latest history that the default branch stored; None where it never stored one.

        Raises ForgeError when there was one and it is gone, unless ``start_anew``.
        """
        ...


@dataclass(frozen=True)
class _Artifact:
    """A stored file of an earlier run. ``branch`` is where that run was, ``foreign`` whether in a fork."""

    created: str
    expired: bool
    branch: str
    foreign: bool
    url: str


class _Bearer(requests.auth.AuthBase):
    """A token as both forges take it; a machine's .netrc has no say where there is one."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Api:
    """One server, its token, and what a refusal is most likely about."""

    def __init__(self, base: str, token: str, hint: str, headers: Mapping[str, str] | None = None) -> None:
        self._base = base.rstrip("/")
        self._hint = hint
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": "builder-contracts", **(headers or {})})
        # Downloads are redirected to a storage elsewhere, and of all headers only Authorization stays behind.
        self._session.auth = _Bearer(token)
        # Reading again is harmless; writing again would open an issue twice.
        retry = Retry(3, backoff_factor=0.5, status_forcelist=(502, 503, 504), allowed_methods=("GET",))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def ask(self, method: str, path: str, **rest: Any) -> requests.Response:
        url = path if path.startswith(("http://", "https://")) else f"{self._base}{path}"
        try:
            answer = self._session.request(method, url, timeout=DEADLINE, **rest)
        except requests.RequestException as error:
            raise ForgeError(f"{method} {url}: {type(error).__name__}: no answer") from None
        if not answer.ok:
            try:
                said = str(answer.json().get("message", ""))[:200]
            except (ValueError, AttributeError):
                said = ""
            mend = f" ({self._hint})" if answer.status_code in (401, 403, 404) else ""
            kind = GoneError if answer.status_code in (404, 410) else ForgeError
            raise kind(f"{method} {url}: {answer.status_code} {said or answer.reason}{mend}")
        return answer

    def json(self, method: str, path: str, **rest: Any) -> Any:
        return _parsed(self.ask(method, path, **rest))

    def pages(self, path: str, parameters: Mapping[str, str | tuple[str, ...]]) -> Iterator[Any]:
        """All pages of a list, by the Link header that both forges send."""
        answer = self.ask("GET", path, params={"per_page": 100, **parameters})
        for _ in range(_PAGES):
            yield _parsed(answer)
            following = answer.links.get("next", {}).get("url")
            if not following:
                return
            answer = self.ask("GET", following)
        raise ForgeError(f"GET {path}: more than {_PAGES} pages")


def _parsed(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        asked = answer.request
        raise ForgeError(f"{asked.method} {asked.url}: the answer is not JSON") from None


class GitHub:
    """A repository at GitHub. ``author`` is whose issues count as ours."""

    def __init__(
        self,
        repository: str,
        token: str,
        *,
        base: str = "https://api.github.com",
        author: str = "github-actions[bot]",
    ) -> None:
        self._repository = f"/repos/{quote(repository)}"
        self._author = author
        self._api = _Api(
            base,
            token,
            "does the job's token have the permissions that the workflow should give it?",
            {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
        )

    def open_issues(self) -> list[Issue]:
        found = []
        query = {"state": "open", "labels": LABEL, "creator": self._author}
        for page in self._api.pages(f"{self._repository}/issues", query):
            # GitHub lists pull requests among issues.
            found += [
                Issue(one["number"], one["title"], one["body"] or "")
                for one in page
                if "pull_request" not in one
            ]
        return found

    def apply(self, action: Action) -> str:
        issues = f"{self._repository}/issues"
        match action:
            case Open(title, body):
                made = self._api.json("POST", issues, json={"title": title, "body": body, "labels": [LABEL]})
                return f"opened {made['html_url']}"
            case Update(number, title, body, comment):
                made = self._api.json("PATCH", f"{issues}/{number}", json={"title": title, "body": body})
                if comment:
                    self._api.ask("POST", f"{issues}/{number}/comments", json={"body": comment})
                return f"updated {made['html_url']}"
            case Close(number, comment):
                self._api.ask("POST", f"{issues}/{number}/comments", json={"body": comment})
                done = {"state": "closed", "state_reason": "completed"}
                made = self._api.json("PATCH", f"{issues}/{number}", json=done)
                return f"closed {made['html_url']}"

    def last_history(self, file: str, *, start_anew: bool) -> Stored | None:
        branch = str(self._api.json("GET", self._repository)["default_branch"])
        # A fork's run can store under the same name, and so can a branch's.
        stored = [one for one in self._artifacts(ARTIFACT) if one.branch == branch and not one.foreign]
        alive = [one for one in stored if not one.expired]
        if stored and not alive and not start_anew:
            raise ForgeError(f"all {len(stored)} artifacts called {ARTIFACT} have expired: {_GONE}")
        return Stored(self._member(alive[0], file), alive[0].created) if alive else None

    def _artifacts(self, name: str) -> list[_Artifact]:
        """Stored artifacts of that name, the latest first."""
        found = []
        for page in self._api.pages(f"{self._repository}/actions/artifacts", {"name": name}):
            for one in page["artifacts"]:
                run = one.get("workflow_run") or {}
                found.append(
                    _Artifact(
                        created=one["created_at"],
                        expired=one["expired"],
                        branch=run.get("head_branch") or "",
                        foreign=run.get("head_repository_id") != run.get("repository_id"),
                        url=one["archive_download_url"],
                    )
                )
        return sorted(found, key=lambda artifact: artifact.created, reverse=True)

    def _member(self, artifact: _Artifact, name: str) -> bytes:
        archive = self._api.ask("GET", artifact.url).content
        try:
            with zipfile.ZipFile(io.BytesIO(archive)) as opened:
                if opened.getinfo(name).file_size > MAX_ARCHIVE:
                    raise ForgeError(f"{artifact.url}: {name} is larger than {MAX_ARCHIVE >> 30} GiB")
                return opened.read(name)
        except KeyError:
            raise ForgeError(f"{artifact.url}: there is no {name} in it") from None
        except zipfile.BadZipFile:
            raise ForgeError(f"{artifact.url}: is not a zip archive") from None

    def jobs(self, run: str, attempt: str) -> Iterator[Mapping[str, Any]]:
        """The jobs of one attempt of a workflow run."""
        path = f"{self._repository}/actions/runs/{quote(run)}/attempts/{quote(attempt)}/jobs"
        for page in self._api.pages(path, {}):
            yield from page["jobs"]


class GitLab:
    """A project at a GitLab server; ``project`` is its number or its path."""

    def __init__(self, project: str, token: str, *, base: str) -> None:
        self._project = f"/projects/{quote(project, safe='')}"
        self._api = _Api(base, token, "GITLAB_TOKEN needs the scope api and the role Reporter or above")

    def open_issues(self) -> list[Issue]:
        # Of this token's own user only: anybody may write an issue that looks like ours.
        query = {"state": "opened", "labels": LABEL, "scope": "created_by_me"}
        found = []
        for page in self._api.pages(f"{self._project}/issues", query):
            found += [Issue(one["iid"], one["title"], one["description"] or "") for one in page]
        return found

    def apply(self, action: Action) -> str:
        issues = f"{self._project}/issues"
        match action:
            case Open(title, body):
                new = {"title": title, "description": body, "labels": LABEL}
                return f"opened {self._api.json('POST', issues, json=new)['web_url']}"
            case Update(number, title, body, comment):
                made = self._api.json("PUT", f"{issues}/{number}", json={"title": title, "description": body})
                if comment:
                    self._api.ask("POST", f"{issues}/{number}/notes", json={"body": comment})
                return f"updated {made['web_url']}"
            case Close(number, comment):
                self._api.ask("POST", f"{issues}/{number}/notes", json={"body": comment})
                made = self._api.json("PUT", f"{issues}/{number}", json={"state_event": "close"})
                return f"closed {made['web_url']}"

    def last_history(self, file: str, *, start_anew: bool) -> Stored | None:
        branch = self._api.json("GET", self._project)["default_branch"]
        # A night with a report that could not be read fails, and has a history all the same.
        for page in self._api.pages(f"{self._project}/jobs", {"scope[]": ("success", "failed")}):
            for job in page:
                ours = job["name"] == JOB and job["ref"] == branch and not job["tag"]
                if ours and self._handed_on(job):
                    return self._stored(job, file, start_anew=start_anew)
        return None

    @staticmethod
    def _handed_on(job: Mapping[str, Any]) -> bool:
        """Whether it stored files. Those that have expired are in no list, but when they did is known."""
        kinds = {one["file_type"] for one in job["artifacts"]}
        return "archive" in kinds or job["artifacts_expire_at"] is not None

    def _stored(self, job: Mapping[str, Any], file: str, *, start_anew: bool) -> Stored | None:
        path = f"{self._project}/jobs/{job['id']}/artifacts/{quote(file)}"
        try:
            return Stored(self._api.ask("GET", path).content, job["created_at"])
        except GoneError as error:
            if start_anew:
                return None
            raise ForgeError(f"{error}: the last night's artifacts are gone: {_GONE}") from None


def github(environment: Mapping[str, str] | None = None) -> GitHub:
    """The same, where only GitHub will do."""
    env = os.environ if environment is None else environment
    return GitHub(
        _need(env, "GITHUB_REPOSITORY"),
        _need(env, "GITHUB_TOKEN"),
        base=env.get("GITHUB_API_URL") or "https://api.github.com",
        author=env.get("BUILDER_CONTRACTS_AUTHOR") or "github-actions[bot]",
    )


def forge(environment: Mapping[str, str] | None = None) -> Forge:
    """The repository of the CI job that this process is. Raises ForgeError outside of one."""
    env = os.environ if environment is None else environment
    if env.get("GITLAB_CI") == "true":
        return GitLab(
            _need(env, "CI_PROJECT_ID"), _need(env, "GITLAB_TOKEN"), base=_need(env, "CI_API_V4_URL")
        )
    return github(env)


def _need(env: Mapping[str, str], name: str) -> str:
    if not env.get(name):
        raise ForgeError(f"{name} is not set: this runs in a job of GitHub Actions or GitLab CI that sets it")
    return env[name]
