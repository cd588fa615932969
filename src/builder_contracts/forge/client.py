"""The repository of a CI job or of a plan, at GitHub or GitLab.

Hosts and tokens come only from environment variables that CI sets, so a token never appears in a process list or a
log. A token is sent only to the host that is configured with it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from builder_contracts.forge.github import PUBLIC, GitHub
from builder_contracts.forge.gitlab import GitLab
from builder_contracts.forge.history import Stored
from builder_contracts.forge.http import ForgeError
from builder_contracts.forge.issues import Issue, IssueAction

__all__ = [
    "Forge",
    "ForgeError",
    "GitHub",
    "GitLab",
    "Stored",
    "connect_forge",
    "connect_github",
    "connect_planning",
]


class Forge(Protocol):
    """One repository: its issues and milestones, and what its earlier nights stored."""

    def open_issues(self) -> list[Issue]:
        """The open issues that this product made."""
        ...

    def apply(self, action: IssueAction) -> str:
        """Do it; what was done, in words with the issue's address."""
        ...

    def last_history(self, file: str, *, start_anew: bool) -> Stored | None:
        """The latest history that the default branch stored; None if it never stored one.

        Raises ForgeError when there was one and it is gone, unless ``start_anew``.
        """
        ...

    def planning(self) -> dict[str, list[Any]]:
        """Its milestones and issues, closed ones too, as the API has them."""
        ...


def connect_forge(environment: Mapping[str, str] | None = None) -> Forge:
    """The repository of the CI job that this process is. Raises ForgeError outside of one."""
    env = os.environ if environment is None else environment
    if env.get("GITLAB_CI") == "true":
        return GitLab(
            _require(env, "CI_PROJECT_ID"), _require(env, "GITLAB_TOKEN"), base=_require(env, "CI_API_V4_URL")
        )
    return connect_github(env)


def connect_github(environment: Mapping[str, str] | None = None) -> GitHub:
    """The same, where only GitHub will do."""
    env = os.environ if environment is None else environment
    return GitHub(
        _require(env, "GITHUB_REPOSITORY"),
        _require(env, "GITHUB_TOKEN"),
        base=github_api(env),
        author=env.get("BUILDER_CONTRACTS_AUTHOR") or "github-actions[bot]",
    )


def connect_planning(repository: str, environment: Mapping[str, str] | None = None) -> Forge:
    """The repository OWNER/NAME whose plan is asked for, at this job's GitLab or else at GitHub; a token is optional."""
    env = os.environ if environment is None else environment
    if env.get("GITLAB_CI") == "true":
        return GitLab(repository, env.get("GITLAB_TOKEN", ""), base=_require(env, "CI_API_V4_URL"))
    return GitHub(repository, env.get("GITHUB_TOKEN", ""), base=github_api(env))


def github_api(env: Mapping[str, str]) -> str:
    """The API of the GitHub server that the environment names; that of github.com if it names none."""
    if api := env.get("GITHUB_API_URL"):
        return api
    server = env.get("GITHUB_SERVER_URL", "")
    parts = urlsplit(server)
    if parts.hostname in (None, "github.com"):
        return PUBLIC
    # Enterprise Cloud with data residency has its API on a sibling host, an Enterprise server under its own URL.
    if str(parts.hostname).endswith(".ghe.com"):
        return f"{parts.scheme}://api.{parts.hostname}"
    return f"{server.rstrip('/')}/api/v3"


def _require(env: Mapping[str, str], name: str) -> str:
    if not env.get(name):
        raise ForgeError(f"{name} is not set: run this in a GitHub Actions or GitLab CI job that provides it")
    return env[name]
