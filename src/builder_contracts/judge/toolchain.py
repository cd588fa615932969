"""Judge promises about programs on the job's PATH."""

from __future__ import annotations

from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.contract.version_ranges import release_in
from builder_contracts.facts import model
from builder_contracts.facts.model import NOT_ASKED, Facts, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept


def judge(promise: Tool, facts: Facts) -> Assessment:
    inspect = f'.tools["{promise.name}"]'
    tool = facts.tools.get(promise.name, NOT_ASKED)
    if isinstance(tool, Unseen):
        return unproven_because(tool, inspect)
    if not promise.present:
        if not tool.path:
            return kept(f"not found on {_path(facts)}", look=inspect)
        return broken(tool.path, "a package pulled it in; remove it from the image", look=inspect)
    if not tool.path:
        return broken(f"not found on {_path(facts)}", _absent(promise), look=inspect)
    return (
        _version(promise, tool, inspect)
        or _features(promise, tool, inspect)
        or _present(promise, tool, inspect)
    )


def _path(facts: Facts) -> str:
    return "the job's PATH" if isinstance(facts.path, Unseen) else facts.path or "an empty PATH"


def _absent(promise: Tool) -> str:
    package = promise.package or promise.name
    return f"the image lacks package {package}, or its directory is not on PATH"


def _version(promise: Tool, tool: model.ToolFacts, inspect: str) -> Assessment | None:
    """The problem with the version, or None."""
    if promise.version is None:
        return None
    if isinstance(tool.status, Unseen):
        return unproven_because(tool.status, inspect)
    if isinstance(tool.output, Unseen):
        return unproven_because(tool.output, inspect)
    release = release_in(tool.output)
    command = " ".join((promise.name, *promise.version_command))
    if tool.status != 0:
        return broken(
            f"{tool.path} exited with status {tool.status}: {_first_line(tool.output)}",
            f"'{command}' fails to run; it may lack a library or interpreter",
            look=inspect,
        )
    if release is None:
        return broken(
            f"no version in the output of {tool.path}: {_first_line(tool.output)}",
            f"'{command}' does not print a version; set version_command in the contract",
            look=inspect,
        )
    if not promise.version.holds(release):
        return broken(
            f"{tool.path} is version {release}",
            f"the installed release does not satisfy {promise.version.text}; "
            f"pin or upgrade package {promise.package or promise.name}",
            look=inspect,
        )
    return None


def _features(promise: Tool, tool: model.ToolFacts, inspect: str) -> Assessment | None:
    """The problem with the features, or None."""
    for name, arguments in promise.features:
        feature = tool.features.get(name, NOT_ASKED)
        where = f'{inspect}.features["{name}"]'
        if isinstance(feature, Unseen):
            return unproven_because(feature, where)
        if feature.status != 0:
            return broken(
                f"{name}: status {feature.status}: {_first_line(feature.output)}",
                f"the feature is disabled or not compiled in; try {' '.join((promise.name, *arguments))}",
                look=where,
            )
    return None


def _present(promise: Tool, tool: model.ToolFacts, inspect: str) -> Assessment:
    release = release_in(tool.output) if promise.version and isinstance(tool.output, str) else None
    features = ", ".join(name for name, _ in promise.features)
    seen = " ".join(part for part in (tool.path, release, f"with {features}" if features else "") if part)
    return kept(seen, look=inspect)


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0][:200] if lines else "no output"


def explain(promise: Tool) -> Explanation:
    if not promise.present:
        return Explanation(
            how="No directory on the job's PATH (not a login shell's) may contain an executable of this name. "
            "The PATH is the evidence.",
            unproven=RUNNER_LOST + ".",
            why="An unpromised tool invites jobs to rely on it, or gives them more than the class should.",
            breaks="A package that pulls it in as a dependency.",
            mend=f"Remove {promise.name} from the image.",
        )
    asked = release = ""
    if promise.version:
        release = f" at version {promise.version.text}"
        command = " ".join((promise.name, *promise.version_command))
        asked += (
            f" '{command}' must run, and the first version it prints must satisfy {promise.version.text}."
        )
    for name, arguments in promise.features:
        command = " ".join((promise.name, *arguments))
        asked += f" Feature {name} is exercised: '{command}' must exit with 0."
    return Explanation(
        how=f"The job's PATH (not a login shell's) must contain an executable of this name.{asked}",
        unproven=f"{RUNNER_LOST}; or the tool does not exit within 20 s.",
        why="Without the tool, or with another release, a job fails midway.",
        breaks="The base image or package list dropped it, ENV PATH lost its directory, or its release left the range.",
        mend=f"Install the package {promise.package or promise.name}{release} in a directory on PATH.",
    )
