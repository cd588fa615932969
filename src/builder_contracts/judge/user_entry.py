"""Consequences of a user without an entry in /etc/passwd. Pure.

The engine takes HOME and the group of a job from that entry. Without one it takes its own defaults, tools do not find the
user's name, and neither shows what the image would give a job once the entry is there.
"""

from __future__ import annotations

import re

from builder_contracts.contract.promises import Promise
from builder_contracts.contract.promises.environment import EnvironmentVariable
from builder_contracts.contract.promises.filesystem import PathState
from builder_contracts.contract.promises.identity import Gid, Groups, Home
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.facts.model import Facts, Unseen
from builder_contracts.verdict import Assessment, Outcome, unproven

_NO_USER = re.compile(r"current user|No user exists|uid not found|getpwuid", re.IGNORECASE)


def without_consequences(promise: Promise, facts: Facts, assessment: Assessment) -> Assessment:
    """The assessment, or unproven where a missing entry of the job's user alone makes it broken."""
    identity = facts.identity
    if assessment.outcome is not Outcome.BROKEN or isinstance(identity, Unseen):
        return assessment
    if isinstance(identity.user, Unseen) or identity.user:
        return assessment
    match promise:
        case Home() | EnvironmentVariable(name="HOME"):
            follows = identity.home == "/"
        case Gid():
            follows = identity.gid == 0
        case Groups():
            follows = not isinstance(facts.groups, Unseen) and {group.gid for group in facts.groups} == {0}
        case PathState():
            follows = assessment.observation == "owned by UNKNOWN"
        case Tool():
            follows = bool(_NO_USER.search(assessment.observation))
        case _:
            follows = False
    if not follows:
        return assessment
    return unproven(
        f"{assessment.observation}, because uid {identity.uid} has no entry in /etc/passwd",
        inspect=assessment.inspect,
    )
