"""Judges promises about users and groups of the image."""

from __future__ import annotations

import json

from builder_contracts.contract.promises.accounts import AccountPromise, UserAccount
from builder_contracts.facts.model import Facts, GroupEntryFacts, Unseen, UserEntryFacts
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept, unproven


def judge(promise: AccountPromise, facts: Facts) -> Assessment:
    kind, file = _names(promise)
    inspect = f".accounts.{kind}s[{json.dumps(promise.name)}]"
    if isinstance(facts.accounts, Unseen):
        return unproven_because(facts.accounts, ".accounts")
    entries: dict[str, UserEntryFacts | None] | dict[str, GroupEntryFacts | None] = (
        facts.accounts.users if isinstance(promise, UserAccount) else facts.accounts.groups
    )
    if promise.name not in entries:
        return unproven("not part of this observation", inspect=".accounts")
    entry = entries[promise.name]
    if entry is None:
        missing = f"{file} has no entry for {promise.name}"
        if not promise.present:
            return kept(missing, inspect=inspect)
        return broken(missing, f"no build step and no package creates the {kind}", inspect=inspect)
    if not promise.present:
        return broken(
            f"{file} has an entry for {promise.name}",
            f"a package or a build step creates the {kind}",
            inspect=inspect,
        )
    seen = []
    for name, value in promise.fields:
        if value is None:
            continue
        actual = getattr(entry, name)
        promised = sorted(value) if isinstance(value, tuple) else value
        seen.append(f"{name} {', '.join(actual) or 'none' if isinstance(actual, list) else actual}")
        if actual != promised:
            return broken(
                seen[-1],
                f"another package or build step created the {kind}, or changed it later",
                inspect=f"{inspect}.{name}",
            )
    return kept(", ".join(seen) or f"{file} has an entry for {promise.name}", inspect=inspect)


def _names(promise: AccountPromise) -> tuple[str, str]:
    return ("user", "/etc/passwd") if isinstance(promise, UserAccount) else ("group", "/etc/group")


def explain(promise: AccountPromise) -> Explanation:
    kind, file = _names(promise)
    return Explanation(
        how=f"The first entry of this name in {file} counts, as the job reads it and as it stands in the runner's "
        "file system from outside. Users and groups of a directory service are not seen.",
        unproven=f"{RUNNER_LOST}; or the job cannot read {file}.",
        why="Builders drop privileges to such users, volumes store their numbers, and a membership gives rights.",
        breaks="A package that creates the account with the next free number; usermod or gpasswd in a Dockerfile.",
        fix=f"Create the {kind} in the image with fixed numbers, before the packages that would: {promise.text}."
        if promise.present
        else f"Remove the {kind}, or the package that creates it.",
    )
