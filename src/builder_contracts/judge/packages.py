"""Judges promises about packages."""

from __future__ import annotations

import json

from builder_contracts.contract.promises.packages import PackagePromise
from builder_contracts.facts.model import Facts, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.tools.package_order import UnorderedVersion
from builder_contracts.verdict import Assessment, broken, kept, unproven


def judge(promise: PackagePromise, facts: Facts) -> Assessment:
    seen = facts.packages
    inspect = f".packages.packages[{json.dumps(promise.name)}]"
    if isinstance(seen, Unseen):
        return unproven_because(seen, ".packages")
    if promise.name not in seen.packages:
        return unproven("not part of this observation", inspect=".packages")
    packages = seen.packages[promise.name]
    versions = ", ".join(
        package.version + (f" ({package.state})" if package.state != "installed" else "")
        for package in packages
    )
    observation = f"{seen.manager} has {promise.name} {versions}"
    if not packages:
        missing = f"{seen.manager} does not list {promise.name} as installed"
        if not promise.present:
            return kept(missing, inspect=inspect)
        return broken(
            missing,
            "the image's package list lost it, or the distribution calls it otherwise",
            inspect=inspect,
        )
    if not promise.present:
        return broken(observation, "another package pulled it in; remove it from the image", inspect=inspect)
    if any(package.state != "installed" for package in packages):
        return broken(observation, "its installation did not end; its scripts failed", inspect=inspect)
    try:
        outside = [
            package.version
            for package in packages
            if promise.version and not promise.version.holds(seen.manager, package.version)
        ]
    except UnorderedVersion as error:
        return unproven(str(error), inspect=inspect)
    if promise.version and outside:
        return broken(
            observation,
            f"the installed version does not satisfy {promise.version.text} in {seen.manager}'s order",
            inspect=inspect,
        )
    return kept(observation, inspect=inspect)


def explain(promise: PackagePromise) -> Explanation:
    return Explanation(
        how="In the runner, the package manager that has a database answers for all packages at once: dpkg-query, "
        "rpm -q, or the database of apk. From outside, the databases of dpkg and apk are read as files; that of rpm "
        "is read inside only. "
        + (
            f"Each installed version must satisfy {promise.version.text}, in the manager's own order."
            if promise.version
            else "The states of dpkg count: a package whose files alone are left is not installed."
        ),
        unproven=f"{RUNNER_LOST}; the image has no database of dpkg, rpm or apk; its program is missing; "
        "or a version is not one that apk accepts.",
        why="Libraries, headers, certificates and security fixes come in packages, and no command shows them.",
        breaks="A base image of another release, a package list that lost a line, a dependency that pulls in more.",
        fix=f"Change the image's package list until this holds: {promise.text}.",
    )
