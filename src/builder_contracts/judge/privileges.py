"""Judges promises about programs that run with more rights than the job has."""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.promises.privileges import (
    FileCapabilities,
    PrivilegePromise,
    SetIdFiles,
    Sudo,
)
from builder_contracts.facts.model import ENDED_FROM_OUTSIDE, Facts, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept, unproven


def judge(promise: PrivilegePromise, facts: Facts) -> Assessment:
    privileges = facts.privileges
    match promise:
        case SetIdFiles():
            inspect = ".privileges.set_id"
            if isinstance(privileges.set_id, Unseen):
                return unproven_because(privileges.set_id, inspect)
            files = {path: f"{path} ({mode:04o})" for path, mode in privileges.set_id.items()}
            return _only(files, promise.allow, "set-ID", "chmod u+s or g+s", inspect)
        case FileCapabilities():
            inspect = ".privileges.file_capabilities"
            if isinstance(privileges.file_capabilities, Unseen):
                return unproven_because(privileges.file_capabilities, inspect)
            files = {path: path for path in privileges.file_capabilities}
            return _only(files, promise.allow, "capability-carrying", "setcap", inspect)
        case Sudo():
            return _sudo(promise, facts)
        case _:
            assert_never(promise)


def _only(files: dict[str, str], allow: tuple[str, ...], what: str, command: str, inspect: str) -> Assessment:
    extra = sorted(files.keys() - {*allow})
    if not extra:
        return kept(
            f"{len(files)} {what} files, all allowed" if files else f"no {what} files", inspect=inspect
        )
    more = f" and {len(extra) - 5} more" if len(extra) > 5 else ""
    return broken(
        f"{', '.join(files[path] for path in extra[:5])}{more}",
        f"a package or '{command}' in a build step adds a way to more rights",
        inspect=inspect,
    )


def _sudo(promise: Sudo, facts: Facts) -> Assessment:
    inspect = ".privileges.sudo"
    sudo = facts.privileges.sudo
    if isinstance(sudo, Unseen):
        return unproven_because(sudo, inspect)
    if not promise.passwordless:
        if sudo.path is None:
            return kept("no sudo on PATH", inspect=inspect)
        return broken(sudo.path, "a package pulled it in; remove it from the image", inspect=inspect)
    if sudo.path is None:
        return broken("no sudo on PATH", "the image lacks package sudo", inspect=inspect)
    if sudo.status == 0:
        return kept(f"{sudo.path} ran a command", inspect=inspect)
    if sudo.status in ENDED_FROM_OUTSIDE:
        return unproven(f"{sudo.path} was ended, after 10 s or by a signal", inspect=inspect)
    return broken(
        f"{sudo.path} exited with status {sudo.status}: {sudo.output}",
        "no NOPASSWD rule for the job's user, or no_new_privs is set",
        inspect=inspect,
    )


def explain(promise: PrivilegePromise) -> Explanation:
    match promise:
        case SetIdFiles():
            return Explanation(
                how="The job's user searches the root file system for files with a set-user-ID or set-group-ID bit; each must be on the list.",
                unproven=f"{RUNNER_LOST}; the image lacks find(1); or the search takes more than 20 s.",
                why="Each of them is a program that runs as somebody else, mostly as root, for anyone who starts it.",
                breaks="A package, or chmod u+s in a Dockerfile.",
                fix="Remove the bit (chmod u-s,g-s), or add the file to the list deliberately.",
            )
        case FileCapabilities():
            return Explanation(
                how="The job's user looks for the attribute security.capability on executable files of the root file system, with getcap(8) or perl; each that has it must be on the list.",
                unproven=f"{RUNNER_LOST}; the image has neither getcap(8) nor perl; or the search takes more than 20 s.",
                why="A file with capabilities gives a part of root's power to anyone who starts it, and fails to start where the bounding set lacks it.",
                breaks="A package such as ping's, or setcap in a Dockerfile.",
                fix="Remove them (setcap -r), or add the file to the list deliberately.",
            )
        case Sudo():
            return Explanation(
                how="sudo is looked up on the job's PATH, and runs true(1) with -n, which never asks for a password.",
                unproven=RUNNER_LOST + ".",
                why="Steps that install packages need it; where it is not promised, it makes every job root.",
                breaks="A package that brings sudo; a lost NOPASSWD rule; no_new_privs.",
                fix="Remove sudo from the image, or add a NOPASSWD rule for the job's user.",
            )
        case _:
            assert_never(promise)
