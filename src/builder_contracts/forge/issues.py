"""Issues of a repository, and the operations on them."""

from __future__ import annotations

from dataclasses import dataclass

LABEL = "builder-contracts"
"""Marks the issues that this product opened."""


@dataclass(frozen=True)
class Issue:
    """An open issue as the forge has it."""

    number: int
    title: str
    body: str


@dataclass(frozen=True)
class OpenIssue:
    """Open a new issue."""

    title: str
    body: str


@dataclass(frozen=True)
class UpdateIssue:
    """Replace the text of an issue, and add a comment where people should hear of it."""

    number: int
    title: str
    body: str
    comment: str = ""


@dataclass(frozen=True)
class CloseIssue:
    """Close an issue with a last comment."""

    number: int
    comment: str


IssueAction = OpenIssue | UpdateIssue | CloseIssue
