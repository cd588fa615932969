"""The tests of a container-structure-test file as promises. Pure. Source: its README.md (00c0ee19a)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from builder_contracts.draft.peers.conversion import (
    Converted,
    LeftOut,
    command_name,
    mapping,
    sequence,
    texts,
)
from builder_contracts.draft.proposals import Proposal

_PERMISSIONS = re.compile(r"[-dl](?:[r-][w-][x-]){3}")


def convert(data: Mapping[str, Any]) -> Iterator[Converted]:
    """Every test of the file: promises, or the reasons why there are none."""
    for key, value in data.items():
        if key == "schemaVersion":
            continue
        if key not in CONVERTERS:
            yield LeftOut(str(key), "not a kind of test of schema 2.0.0")
        elif key in ("metadataTest", "containerRunOptions"):
            yield from CONVERTERS[key](mapping(value))
        else:
            for test in sequence(value):
                yield from CONVERTERS[key](mapping(test))


def _command(test: Mapping[str, Any]) -> Iterator[Converted]:
    label = f"commandTests {test.get('name', test.get('command'))}"
    arguments = texts([test.get("command"), *sequence(test.get("args"))])
    if arguments is None:
        yield LeftOut(label, "not a command and its arguments")
        return
    if test.get("setup") or test.get("teardown"):
        yield LeftOut(
            label, "an observation changes nothing in the runner: 'toolchain.*.work' has a scratch folder"
        )
        return
    command: dict[str, Any] = {"run": arguments}
    variables = {
        str(variable.get("key")): variable.get("value")
        for variable in map(mapping, sequence(test.get("envVars")))
    }
    if variables:
        command["environment"] = variables
    if test.get("exitCode"):
        command["status"] = test["exitCode"]
    for stream, expected, excluded in (
        ("stdout", "expectedOutput", "excludedOutput"),
        ("stderr", "expectedError", "excludedError"),
    ):
        patterns = {
            kind: listed
            for kind, field in (("matches", expected), ("forbids", excluded))
            if (listed := texts(test.get(field)))
        }
        if patterns:
            command[stream] = patterns
    yield Proposal(("commands", command_name(str(test.get("name", arguments[0])))), command, label)


def _existence(test: Mapping[str, Any]) -> Iterator[Converted]:
    path, label = test.get("path"), f"fileExistenceTests {test.get('name', test.get('path'))}"
    if not isinstance(path, str) or not path.startswith("/"):
        yield LeftOut(label, "not an absolute path of the runner")
        return
    if test.get("shouldExist") is False:
        yield Proposal(("filesystem", path), "absent", label)
        return
    value: dict[str, Any] = {name: test[name] for name in ("uid", "gid") if name in test}
    if permissions := test.get("permissions"):
        if isinstance(permissions, str) and _PERMISSIONS.fullmatch(permissions):
            bits = "".join("0" if letter == "-" else "1" for letter in permissions[1:])
            value["type"] = {"d": "directory", "l": "symlink", "-": "file"}[permissions[0]]
            value["mode"] = f"{int(bits, 2):04o}"
        else:
            yield LeftOut(f"{label}: permissions", "special bits: promise the mode as four octal digits")
    if "isExecutableBy" in test:
        yield LeftOut(f"{label}: isExecutableBy", "promise 'executable' for the job's user, or the mode")
    yield Proposal(("filesystem", path), value or "present", label)


def _content(test: Mapping[str, Any]) -> Iterator[Converted]:
    path, label = test.get("path"), f"fileContentTests {test.get('name', test.get('path'))}"
    expected, excluded = (texts(test.get(field, [])) for field in ("expectedContents", "excludedContents"))
    if not isinstance(path, str) or not path.startswith("/") or expected is None or excluded is None:
        yield LeftOut(label, "not a path and lists of patterns")
    elif len(expected) == 1 and not excluded:
        yield Proposal(("filesystem", path), {"matches": expected[0]}, label)
    else:
        patterns = {kind: listed for kind, listed in (("matches", expected), ("forbids", excluded)) if listed}
        command: dict[str, Any] = {"run": ["cat", path], **({"stdout": patterns} if patterns else {})}
        yield Proposal(("commands", command_name(f"content{path}")), command, label)


def _metadata(test: Mapping[str, Any]) -> Iterator[Converted]:
    for field, value in test.items():
        label = f"metadataTest {field}"
        match field:
            case "envVars":
                for variable in map(mapping, sequence(value)):
                    name, text = str(variable.get("key")), variable.get("value")
                    kind = "matches" if variable.get("isRegex") else "equals"
                    yield Proposal(("environment", "variables", name), {kind: text}, f"{label} {name}")
            case "unboundEnvVars":
                for variable in map(mapping, sequence(value)):
                    name = str(variable.get("key"))
                    yield Proposal(("environment", "variables", name), "absent", f"{label} {name}")
            case "labels":
                for tag in map(mapping, sequence(value)):
                    name = str(tag.get("key"))
                    if tag.get("isRegex"):
                        yield LeftOut(f"{label} {name}: value", "a label has one value, or any")
                    text = "present" if tag.get("isRegex") else tag.get("value")
                    yield Proposal(("image", "labels", name), text, f"{label} {name}")
            case "entrypoint" | "cmd" | "workdir" | "user":
                yield Proposal(("image", field), value, label)
            case "volumes":
                yield Proposal(("image", "volumes"), value, label)
            case "unmountedVolumes":
                yield LeftOut(
                    label, "the list of 'image.volumes' is complete: what is not on it is forbidden"
                )
            case "exposedPorts" | "unexposedPorts":
                yield LeftOut(label, "EXPOSE opens no port: promise who listens under 'ports'")
            case _:
                yield LeftOut(label, "not a field of schema 2.0.0")


def _license(test: Mapping[str, Any]) -> Iterator[Converted]:
    del test
    yield LeftOut("licenseTests", "it reads copyright files and not what a job can do")


def _run_options(options: Mapping[str, Any]) -> Iterator[Converted]:
    for field, value in options.items():
        label = f"containerRunOptions {field}"
        match field, value:
            case "privileged", bool():
                yield Proposal(("isolation", "privileged"), value, label)
            case "user", _:
                yield LeftOut(label, "a job runs as the image's user: promise it under 'identity'")
            case "capabilities", list():
                names = [str(name).upper().removeprefix("CAP_") for name in value]
                yield Proposal(("isolation", "capabilities"), {"require": names}, label)
            case _:
                yield LeftOut(label, "a run gives a runner what is promised, and nothing of its own")


CONVERTERS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Converted]]] = {
    "commandTests": _command,
    "fileExistenceTests": _existence,
    "fileContentTests": _content,
    "metadataTest": _metadata,
    "licenseTests": _license,
    "containerRunOptions": _run_options,
}
"""The kinds of tests."""
