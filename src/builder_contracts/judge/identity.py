"""Judge promises about the user that a job runs as."""

from __future__ import annotations

import json
from typing import assert_never

from builder_contracts.contract.promises.identity import (
    Gid,
    Groups,
    Home,
    IdentityPromise,
    NotRoot,
    Shell,
    Uid,
    User,
)
from builder_contracts.facts.model import NOT_ASKED, Facts, StartFacts, Unseen, UserFacts
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept

_USER_LINE = "the image's USER line or the pool's securityContext selects a different user"


def judge(promise: IdentityPromise, facts: Facts) -> Assessment:
    if isinstance(promise, Shell):
        return _shell(promise, facts)
    if isinstance(promise, Groups):
        return _groups(promise, facts)
    identity = facts.identity
    start = facts.start
    if isinstance(promise, User) and isinstance(start, StartFacts) and "unable to find user" in start.output:
        return broken(start.output, "the image's USER has no entry in its /etc/passwd", inspect=".start")
    if isinstance(identity, Unseen):
        return unproven_because(identity, ".identity")
    match promise:
        case User():
            if isinstance(identity.user, Unseen):
                return unproven_because(identity.user, ".identity.user")
            if identity.user == promise.name:
                return kept(f"user {identity.user}", inspect=".identity.user")
            if not identity.user:
                return broken(
                    f"uid {identity.uid} has no entry in /etc/passwd",
                    "a build step removed the entry, or USER is a number for which no user was added",
                    inspect=".identity.user",
                )
            return broken(f"user {identity.user}", _USER_LINE, inspect=".identity.user")
        case Uid():
            if identity.uid == promise.uid:
                return kept(f"uid {identity.uid}", inspect=".identity.uid")
            return broken(f"uid {identity.uid}", _USER_LINE, inspect=".identity.uid")
        case Gid():
            if identity.gid == promise.gid:
                return kept(f"gid {identity.gid}", inspect=".identity.gid")
            return broken(
                f"gid {identity.gid}",
                "the image's USER line names another group, or the pool's securityContext sets runAsGroup",
                inspect=".identity.gid",
            )
        case NotRoot():
            if identity.uid != 0:
                return kept(f"uid {identity.uid}", inspect=".identity.uid")
            return broken(
                "uid 0",
                "the image has no USER line; builds that refuse root (rules_python, some installers) fail",
                inspect=".identity.uid",
            )
        case Home():
            return _home(promise, identity)
        case _:
            assert_never(promise)


def _groups(promise: Groups, facts: Facts) -> Assessment:
    inspect = ".groups"
    if isinstance(facts.groups, Unseen):
        return unproven_because(facts.groups, inspect)
    # The group with id 0 has root's rights whatever the image calls it.
    names = [group.name or ("root" if group.gid == 0 else str(group.gid)) for group in facts.groups]
    also_root = ["root"] if any(group.gid == 0 for group in facts.groups) else []
    seen = f"groups {', '.join(dict.fromkeys(names))}"
    forbidden = sorted({*names, *also_root} & {*promise.forbid})
    if promise.allow:
        forbidden = sorted({*forbidden, *({*names, *also_root} - {*promise.allow})})
    if forbidden:
        return broken(
            seen,
            f"the image or the pool adds the job's user to {', '.join(forbidden[:5])}",
            inspect=inspect,
        )
    return kept(seen, inspect=inspect)


def _home(promise: Home, identity: UserFacts) -> Assessment:
    inspect = ".identity"
    if identity.home != promise.path:
        return broken(
            f"HOME is {identity.home!r}",
            "the user's /etc/passwd entry or an ENV line differs",
            inspect=inspect,
        )
    if not identity.home_exists:
        return broken(
            f"{identity.home} does not exist", "useradd was run without --create-home", inspect=inspect
        )
    if not identity.home_writable:
        return broken(
            f"{identity.home} is not writable",
            "a different user owns the directory; chown it",
            inspect=inspect,
        )
    return kept(f"{identity.home}, writable", inspect=inspect)


def _shell(promise: Shell, facts: Facts) -> Assessment:
    inspect = f".shells[{json.dumps(promise.path)}]"
    start = facts.start
    did_not_start = isinstance(start, StartFacts) and start.exists and not start.started
    if isinstance(start, StartFacts) and did_not_start and promise.path in start.output:
        return broken(
            start.output,
            f"the image has no usable {promise.path}; use a base image with a shell, every job step needs one",
            inspect=".start",
        )
    shell = facts.shells.get(promise.path, NOT_ASKED)
    if isinstance(shell, Unseen):
        return unproven_because(shell, inspect)
    if shell.runs:
        return kept(f"{promise.path} ran and computed 40 + 2", inspect=inspect)
    return broken(
        shell.reason or "it ran but did not compute 40 + 2",
        f"{promise.path} is missing or not executable, or lacks its interpreter or libraries",
        inspect=inspect,
    )


def explain(promise: IdentityPromise) -> Explanation:
    match promise:
        case User():
            return Explanation(
                how="The effective uid of a job process, resolved through /etc/passwd or id(1).",
                unproven=f"{RUNNER_LOST}; or /etc/passwd has no entry for the uid, and the image lacks id(1).",
                why="The user owns caches, the work directory and whatever a job leaves behind.",
                breaks="A USER line in the image or runAsUser in the pool selects a different user.",
                fix=f"Add USER {promise.name} to the Dockerfile, with an entry in /etc/passwd.",
            )
        case Uid():
            return Explanation(
                how="The effective uid in /proc/self/status of a job process.",
                unproven=f"{RUNNER_LOST}; or /proc is not readable.",
                why="Volumes store numeric IDs: with a different uid, a job cannot read the previous job's caches.",
                breaks="A useradd without --uid, or runAsUser in the pool.",
                fix=f"Run useradd --uid {promise.uid} in the image build, and set no other runAsUser in the pool.",
            )
        case Gid():
            return Explanation(
                how="The effective gid in /proc/self/status of a job process.",
                unproven=f"{RUNNER_LOST}; or /proc is not readable.",
                why="New files belong to this group; group 0 may read and write much of the system.",
                breaks="A USER line with a group, such as 1001:0, or runAsGroup in the pool.",
                fix=f"Make {promise.gid} the user's primary group, and set no other runAsGroup in the pool.",
            )
        case Groups():
            return Explanation(
                how="The effective and supplementary groups in /proc/self/status of a job process, by name in /etc/group.",
                unproven=f"{RUNNER_LOST}; or /proc is not readable.",
                why="A group gives rights that no mode or uid shows: members of docker control the engine.",
                breaks="usermod or gpasswd in a Dockerfile, or supplementalGroups in the pool.",
                fix="Remove the user from the group in the image, or the group from the pool's template.",
            )
        case NotRoot():
            return Explanation(
                how="The effective uid in /proc/self/status of a job process must not be 0.",
                unproven=f"{RUNNER_LOST}; or /proc is not readable.",
                why="Some builds refuse to run as root (rules_python, several installers), and root in a job is one kernel bug away from root on the node.",
                breaks="The image has no USER line.",
                fix="Add a user to the image and a USER line at the end of its Dockerfile.",
            )
        case Home():
            return Explanation(
                how="HOME as a job sees it; the directory must exist and be writable by the job's user.",
                unproven=f"{RUNNER_LOST}; or /proc is not readable.",
                why="git, pip, Nix, Bazel and most other tools keep state under HOME and fail with misleading errors if they cannot.",
                breaks="useradd without --create-home, or a root-owned volume mounted over it.",
                fix=f"Create {promise.path} for the job's user and set HOME to it.",
            )
        case Shell():
            return Explanation(
                how="The shell must start and compute 40 + 2; "
                "the mere existence of the file proves nothing. "
                "The container itself starts through /bin/sh, so that an image without one shows here as well.",
                unproven=RUNNER_LOST + ".",
                why="Every job step is a shell script.",
                breaks="The image has no shell, or the shell lacks its libraries.",
                fix=f"Use a base image with a working {promise.path}.",
            )
        case _:
            assert_never(promise)
