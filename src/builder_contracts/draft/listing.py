"""A list of what an observation found, for people. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.contract.quantities import human_bytes
from builder_contracts.errors import printable
from builder_contracts.facts.model import Facts, ImageFacts, PackageFacts, StartFacts, ToolFacts, Unseen
from builder_contracts.judge import toolchain
from builder_contracts.redaction import redact_variable
from builder_contracts.tools.versions import version_in
from builder_contracts.verdict import Outcome

_WIDTH = 12


def listing(facts: Facts, contract: Contract) -> str:
    """What there is, what does not work, and what could not be looked at. ``contract`` asked for the facts."""
    rows = [*_image(facts), *_user(facts), *_tools(facts, contract), *_variables(facts), *_system(facts)]
    return "".join(printable(f"{title:<{_WIDTH}}{text}") + "\n" for title, text in rows)


def _image(facts: Facts) -> Iterator[tuple[str, str]]:
    image = facts.image
    if isinstance(image, ImageFacts):
        yield "image", f"{image.reference}, {image.platform}, {human_bytes(image.size)}, {image.digest}"
        command = [*image.entrypoint, *image.cmd]
        yield "starts", " ".join(command) or "nothing: the image has neither ENTRYPOINT nor CMD"
    elif image.provable_here:
        yield "image", f"unproven: {image.reason}"
    if isinstance(facts.start, StartFacts) and not facts.start.started:
        yield "runner", f"did not start: {facts.start.output}"


def _user(facts: Facts) -> Iterator[tuple[str, str]]:
    match facts.identity:
        case Unseen(reason):
            yield "user", f"unproven: {reason}"
        case user:
            name = "a user without a name" if isinstance(user.user, Unseen) else user.user
            yield "user", f"{name}, uid {user.uid}, gid {user.gid}"
            state = "writable" if user.home_writable else "not writable" if user.home_exists else "missing"
            yield "home", f"{user.home or '(HOME is not set)'}, {state}"
    if not isinstance(facts.groups, Unseen):
        yield "groups", ", ".join(dict.fromkeys(group.name or str(group.gid) for group in facts.groups))
    directory = facts.process.directory
    if not isinstance(directory, Unseen):
        yield "starts in", f"{directory.path}, {'writable' if directory.writable else 'not writable'}"
    if isinstance(facts.path, str):
        yield "PATH", facts.path


def _tools(facts: Facts, contract: Contract) -> Iterator[tuple[str, str]]:
    tools = contract.promised(Tool)
    present = [tool for tool in tools if _path(facts, tool)]
    unseen = [tool.name for tool in tools if isinstance(facts.tools.get(tool.name), Unseen)]
    if unseen:
        yield "tools", f"unproven: {len(unseen)} could not be looked for"
    elif tools:
        yield "tools", f"{len(present)} of the {len(tools)} that were looked for"
    for tool in present:
        version, state = _version(facts, tool) or "-", _state(facts, tool)
        yield "", f"{tool.name:<20} {version:<14} {state:<16} {_path(facts, tool)}"


def _path(facts: Facts, tool: Tool) -> str:
    seen = facts.tools.get(tool.name)
    return seen.path or "" if isinstance(seen, ToolFacts) else ""


def _version(facts: Facts, tool: Tool) -> str:
    """The version that the tool states, or nothing."""
    seen = facts.tools[tool.name]
    if not isinstance(seen, ToolFacts) or not isinstance(seen.output, str) or seen.status != 0:
        return ""
    version = version_in(seen.output, tool.name, tool.pattern, tool.order)
    return version.text if version else ""


def _state(facts: Facts, tool: Tool) -> str:
    """Whether the tool works: never more than was tried. Some, such as dash, state no version and work."""
    match toolchain.judge(dataclasses.replace(tool, version=None), facts).outcome:
        case Outcome.KEPT if tool.work is not None:
            return "works"
        case Outcome.KEPT:
            return "states a version" if _version(facts, tool) else "states no version"
        case Outcome.UNPROVEN:
            return "unproven"
        case _:
            return "does not work"


def _variables(facts: Facts) -> Iterator[tuple[str, str]]:
    if isinstance(facts.env, Unseen):
        yield "variables", f"unproven: {facts.env.reason}"
        return
    yield "variables", str(len(facts.env))
    for name, value in sorted(facts.env.items()):
        yield "", f"{name}={redact_variable(name, value)}"


def _system(facts: Facts) -> Iterator[tuple[str, str]]:
    if isinstance(facts.packages, PackageFacts):
        installed = sorted(
            f"{name} {package.version}"
            for name, packages in facts.packages.packages.items()
            for package in packages
        )
        asked = len(facts.packages.packages)
        yield "packages", f"{len(installed)} of the {asked} that were asked for, by {facts.packages.manager}"
        yield from (("", text) for text in installed)
    for path, state in facts.paths.items():
        if not isinstance(state, Unseen) and state.type:
            mode = "" if isinstance(state.mode, Unseen) else f", mode {state.mode:04o}"
            yield "path", f"{path}, {state.type}{mode}{', writable' if state.writable else ''}"
    if isinstance(facts.privileges.set_id, dict) and facts.privileges.set_id:
        yield "set-ID", ", ".join(sorted(facts.privileges.set_id))
    if not isinstance(facts.ca_bundle, Unseen):
        bundle = facts.ca_bundle
        yield "CA bundle", f"{bundle.path}, {bundle.certificates} certificates" if bundle.path else "none"
    if isinstance(facts.time_zone, str):
        yield "time zone", facts.time_zone
    if isinstance(facts.ports, dict):
        yield "listens", ", ".join(sorted(facts.ports)) or "nothing"
    if not isinstance(facts.daemon, Unseen):
        daemon = facts.daemon
        yield (
            "Docker",
            f"daemon {daemon.version} at {daemon.how}" if daemon.reachable else "no daemon answers",
        )
    if isinstance(facts.secret_files, list):
        yield "secrets", f"in {', '.join(facts.secret_files)}" if facts.secret_files else "none in files"
    for name, setting in facts.nix_settings.items():
        if not isinstance(setting, Unseen) and setting.value is not None:
            yield "nix", f"{name} = {setting.value}"
