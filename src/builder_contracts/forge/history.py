"""Storage of the history between nights: an artifact on GitHub, a job's artifacts on GitLab."""

from __future__ import annotations

from dataclasses import dataclass

ARTIFACT = "contract-history"
JOB = "dashboard"
GONE = "add the old reports again, or pass --start-anew"


@dataclass(frozen=True)
class Stored:
    """A history that an earlier night stored, and when."""

    content: bytes
    created: str
