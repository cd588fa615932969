"""Judges promises about programs in the job's PATH."""

from __future__ import annotations

from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.contract.version_ranges import release_in
from builder_contracts.facts import model
from builder_contracts.facts.model import NOT_ASKED, Facts, Unseen
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept


def judge(promise: Tool, facts: Facts) -> Assessment:
    look = f'.tools["{promise.name}"]'
    tool = facts.tools.get(promise.name, NOT_ASKED)
    if isinstance(tool, Unseen):
        return unproven_because(tool, look)
    if not promise.present:
        if not tool.path:
            return kept(f"not found in {_path(facts)}", look=look)
        return broken(tool.path, "a package brought it along: remove it from the image", look=look)
    if not tool.path:
        return broken(f"not found in {_path(facts)}", _absent(promise), look=look)
    return _version(promise, tool, look) or _features(promise, tool, look) or _present(promise, tool, look)


def _path(facts: Facts) -> str:
    return "the job's PATH" if isinstance(facts.path, Unseen) else facts.path or "an empty PATH"


def _absent(promise: Tool) -> str:
    package = promise.package or promise.name
    return f"the image lacks the package {package}, or PATH lacks its directory"


def _version(promise: Tool, tool: model.ToolFacts, look: str) -> Assessment | None:
    """What is wrong with the version, or None."""
    if promise.version is None:
        return None
    if isinstance(tool.status, Unseen):
        return unproven_because(tool.status, look)
    if isinstance(tool.output, Unseen):
        return unproven_because(tool.output, look)
    release = release_in(tool.output)
    command = " ".join((promise.name, *promise.version_command))
    if tool.status != 0:
        return broken(
            f"{tool.path} ended with status {tool.status}: {_first_line(tool.output)}",
            f"'{command}' does not run here: a library or interpreter that it needs is missing",
            look=look,
        )
    if release is None:
        return broken(
            f"no version in what {tool.path} printed: {_first_line(tool.output)}",
            f"'{command}' does not print a version: set version_command in the contract",
            look=look,
        )
    if not promise.version.holds(release):
        return broken(
            f"{tool.path} is {release}",
            f"the image has another release than {promise.version.text}: pin or upgrade the package "
            f"{promise.package or promise.name}",
            look=look,
        )
    return None


def _features(promise: Tool, tool: model.ToolFacts, look: str) -> Assessment | None:
    """What is wrong with the features, or None."""
    for name, arguments in promise.features:
        feature = tool.features.get(name, NOT_ASKED)
        where = f'{look}.features["{name}"]'
        if isinstance(feature, Unseen):
            return unproven_because(feature, where)
        if feature.status != 0:
            return broken(
                f"{name}: status {feature.status}: {_first_line(feature.output)}",
                f"the feature is off or was not compiled in; by hand: {' '.join((promise.name, *arguments))}",
                look=where,
            )
    return None


def _present(promise: Tool, tool: model.ToolFacts, look: str) -> Assessment:
    release = release_in(tool.output) if promise.version and isinstance(tool.output, str) else None
    features = ", ".join(name for name, _ in promise.features)
    seen = " ".join(part for part in (tool.path, release, f"with {features}" if features else "") if part)
    return kept(seen, look=look)


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0][:200] if lines else "it printed nothing"
