"""The questions about packages, accounts and processes, and the facts that either witness's answers give. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.accounts import GroupAccount, UserAccount
from builder_contracts.contract.promises.packages import PackagePromise
from builder_contracts.contract.promises.processes import RunningProcess
from builder_contracts.contract.value_patterns import PatternTimeout, found_in
from builder_contracts.facts.model import (
    NOT_ASKED,
    AccountFacts,
    GroupEntryFacts,
    InstalledPackage,
    PackageFacts,
    Seen,
    Unseen,
    UserEntryFacts,
)
from builder_contracts.observe.inside.answers import ProbeAnswers

_INIT = 1
_KERNEL_NAME = 15
"""Bytes of a process's name that the kernel keeps. Source: proc_pid_comm(5)."""

_INVALID = Unseen("invalid probe output")


def questions(contract: Contract) -> Iterator[tuple[str, ...]]:
    if packages := contract.promised(PackagePromise):
        yield ("packages", *(package.name for package in packages))
    if contract.promised(RunningProcess):
        yield ("processes", "yes" if any(p.arguments for p in contract.promised(RunningProcess)) else "no")
    if _needs_accounts(contract):
        yield ("accounts",)


def _needs_accounts(contract: Contract) -> bool:
    return any(contract.promised(kind) for kind in (UserAccount, GroupAccount, RunningProcess))


def packages(answers: ProbeAnswers, contract: Contract) -> Seen[PackageFacts]:
    names = [package.name for package in contract.promised(PackagePromise)]
    if not names:
        return NOT_ASKED
    manager = answers.read("complete", "packages", str)
    if isinstance(manager, Unseen):
        return manager
    installed: dict[str, list[InstalledPackage]] = {name: [] for name in names}
    try:
        for name, version, state in answers.sections.get("package", {}).values():
            if name in installed:
                installed[name].append(InstalledPackage(str(version), str(state)))
    except (TypeError, ValueError):
        return _INVALID
    for entries in installed.values():
        entries.sort(key=lambda package: (package.version, package.state))
    return PackageFacts(manager, installed)


def accounts(answers: ProbeAnswers, contract: Contract) -> Seen[AccountFacts]:
    users = [user.name for user in contract.promised(UserAccount)]
    groups = [group.name for group in contract.promised(GroupAccount)]
    if not users and not groups:
        return NOT_ASKED
    lines = _account_lines(answers)
    if isinstance(lines, Unseen):
        return lines
    user_lines, group_lines = lines
    members = {name: (gid, sorted({*filter(None, listed.split(","))})) for name, gid, listed in group_lines}

    def user(name: str) -> UserEntryFacts | None:
        entry = next((line for line in user_lines if line[0] == name), None)
        if entry is None:
            return None
        _, uid, gid, home, shell = entry
        own = {group for group, number, listed in group_lines if number == gid or name in listed.split(",")}
        return UserEntryFacts(_number(uid), _number(gid), home, shell, sorted(own))

    try:
        return AccountFacts(
            {name: user(name) for name in users},
            {
                name: GroupEntryFacts(_number(members[name][0]), members[name][1])
                if name in members
                else None
                for name in groups
            },
        )
    except ValueError:
        return Unseen("an entry of /etc/passwd or /etc/group is not valid")


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,10}", text):
        raise ValueError(text)
    return int(text)


def _account_lines(answers: ProbeAnswers) -> Seen[tuple[list[list[str]], list[list[str]]]]:
    """The entries of both files, in the order of the file, the first of each name alone."""
    complete = answers.read("complete", "accounts", bool)
    if isinstance(complete, Unseen):
        return complete
    files = []
    for section, fields in (("passwd", 5), ("group", 3)):
        answered = sorted(answers.sections.get(section, {}).items(), key=lambda item: int(item[0]))
        entries: dict[str, list[str]] = {}
        for _, text in answered:
            words = str(text).split(":")
            # A name alone, or an entry of NIS, which begins with a plus, is no entry.
            if len(words) == fields and words[0]:
                entries.setdefault(words[0], words)
        files.append(list(entries.values()))
    return files[0], files[1]


def processes(answers: ProbeAnswers, contract: Contract) -> dict[str, Seen[list[str]]]:
    """The users of the processes that a contract promises, by the promise's key."""
    promises: list[RunningProcess] = contract.promised(RunningProcess)
    if not promises:
        return {}
    listed = answers.read("complete", "processes", int)
    lines = _account_lines(answers)
    if isinstance(listed, Unseen) or isinstance(lines, Unseen):
        reason = listed if isinstance(listed, Unseen) else lines
        assert isinstance(reason, Unseen)
        return {promise.key: reason for promise in promises}
    names = {uid: name for name, uid, *_ in reversed(lines[0])}
    try:
        running = [
            (str(name), str(arguments).removesuffix(" "), names.get(str(uid), str(uid)))
            for uid, name, arguments in _of_the_job(answers.sections.get("process", {}), listed)
        ]
    except (TypeError, ValueError, KeyError):
        return {promise.key: _INVALID for promise in promises}
    return {promise.key: _users(promise, running) for promise in promises}


def _of_the_job(processes: dict[str, Any], harness: int) -> Iterator[tuple[Any, Any, Any]]:
    """User, name and arguments of all processes but those that the process ``harness`` started.

    An engine's exec gives a process the parent 0; so has the first process of a container, which is the job's.
    """
    parents = {int(number): int(process[0]) for number, process in processes.items()}
    for number, (_, uid, name, arguments) in processes.items():
        process, passed = int(number), set[int]()
        while process in parents and process not in passed:
            passed.add(process)
            if parents[process] == harness and process != _INIT:
                break
            process = parents[process]
        else:
            yield uid, name, arguments


def _users(promise: RunningProcess, running: list[tuple[str, str, str]]) -> Seen[list[str]]:
    named = [(text, user) for name, text, user in running if name == promise.name[:_KERNEL_NAME]]
    if promise.arguments is not None:
        try:
            matching = found_in({str(at): text for at, (text, _) in enumerate(named)}, promise.arguments)
        except PatternTimeout as slow:
            return Unseen(str(slow))
        named = [named[int(at)] for at in matching]
    return sorted(user for _, user in named)
