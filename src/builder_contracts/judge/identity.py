"""Judges promises about the user that a job runs as."""

from __future__ import annotations

import json
from typing import assert_never

from builder_contracts.contract.promises.identity import Home, IdentityPromise, NotRoot, Shell, Uid, User
from builder_contracts.facts.model import NOT_ASKED, Facts, StartFacts, Unseen, UserFacts
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept, unproven

_USER_LINE = "the image's USER line, or the pool's securityContext, selects another user"


def judge(promise: IdentityPromise, facts: Facts) -> Assessment:
    if isinstance(promise, Shell):
        return _shell(promise, facts)
    identity = facts.identity
    if isinstance(identity, Unseen):
        return unproven_because(identity, ".identity")
    match promise:
        case User():
            if isinstance(identity.user, Unseen):
                return unproven_because(identity.user, ".identity.user")
            if identity.user == promise.name:
                return kept(f"user {identity.user}", look=".identity.user")
            return broken(f"user {identity.user}", _USER_LINE, look=".identity.user")
        case Uid():
            if identity.uid == promise.uid:
                return kept(f"uid {identity.uid}", look=".identity.uid")
            return broken(f"uid {identity.uid}", _USER_LINE, look=".identity.uid")
        case NotRoot():
            if identity.uid != 0:
                return kept(f"uid {identity.uid}", look=".identity.uid")
            return broken(
                "uid 0",
                "the image has no USER line: builds that refuse root (rules_python, some installers) stop here",
                look=".identity.uid",
            )
        case Home():
            return _home(promise, identity)
        case _:
            assert_never(promise)


def _home(promise: Home, identity: UserFacts) -> Assessment:
    look = ".identity"
    if identity.home != promise.path:
        return broken(
            f"HOME is {identity.home!r}",
            "the user's entry in /etc/passwd, or an ENV line, differs",
            look=look,
        )
    if not identity.home_exists:
        return broken(f"{identity.home} does not exist", "useradd was run without --create-home", look=look)
    if not identity.home_writable:
        return broken(
            f"{identity.home} is not writable", "the directory belongs to another user: chown it", look=look
        )
    return kept(f"{identity.home}, writable", look=look)


def _shell(promise: Shell, facts: Facts) -> Assessment:
    look = f".shells[{json.dumps(promise.path)}]"
    start = facts.start
    did_not_start = isinstance(start, StartFacts) and start.exists and not start.started
    if isinstance(start, StartFacts) and did_not_start and "exec format error" in start.said:
        return unproven("the image is for another platform than this engine runs", look=".image.platform")
    if isinstance(start, StartFacts) and did_not_start and promise.path in start.said:
        return broken(
            start.said,
            f"the image has no usable {promise.path}: use a base image with a shell, every job step needs one",
            look=".start",
        )
    shell = facts.shells.get(promise.path, NOT_ASKED)
    if isinstance(shell, Unseen):
        return unproven_because(shell, look)
    if shell.runs:
        return kept(f"{promise.path} started and calculated", look=look)
    return broken(
        shell.reason or "it did not calculate",
        f"{promise.path} is absent, not executable, or its interpreter or libraries are missing",
        look=look,
    )
