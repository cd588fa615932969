"""Bazel's execution log and build event file as data. Pure.

Source of the fields: bazel's src/main/protobuf/spawn.proto (SpawnExec) and build_event_stream.proto
(BuildMetrics.ActionSummary.RunnerCount), in their JSON spelling.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from builder_contracts.prove.class_settings import ClassSetting

# Java's words for what a server said: of gRPC below the stack, of HTTP in place of one.
_CAUSE = re.compile(r"(?:Caused by: [\w.]*StatusRuntimeException|[\w.]*HttpException): (?P<cause>.+)")
# Where Bazel says that it read options (--announce_rc): the file, and behind it those of a --config.
_RC = re.compile(
    r"INFO: (?:Reading rc options for '\S+' from|Found applicable config definition \S+ in file) (?P<file>[^:]+):(?P<options>.*)"
)
_OPTION = re.compile(r"--(?P<off>no)?(?P<name>\w+)(?:[= ](?P<value>.*))?")
_BOOLEAN = {"1": "true", "yes": "true", "0": "false", "no": "false"}
REMOTE_HIT = "remote cache hit"


@dataclass(frozen=True)
class Spawn:
    """One action that Bazel ran or fetched.

    ``digest`` is the action's digest, the key in the cache, and ``size`` belongs to it; ``outputs`` maps paths to content digests.
    """

    target: str
    mnemonic: str
    runner: str
    digest: str
    cacheable: bool
    size: int = 0
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> tuple[str, str, tuple[str, ...]]:
        """The identity of an action, independent of its inputs: target, mnemonic and output paths."""
        return (self.target, self.mnemonic, tuple(sorted(self.outputs)))

    @property
    def hit(self) -> bool:
        return self.runner == REMOTE_HIT


def parse_spawns(raw: bytes) -> tuple[Spawn, ...]:
    """Parse the spawns of an execution log in JSON, which is objects one after another. Raises ValueError."""
    return tuple(_spawn(value) for value in _objects(raw.decode("utf-8", "replace")))


def parse_runner_count(raw: bytes) -> Mapping[str, int]:
    """Parse how many actions each runner had, from a build event file in JSON lines; empty if it does not say."""
    counts: dict[str, int] = {}
    for line in raw.decode("utf-8", "replace").splitlines():
        if '"buildMetrics"' not in line:
            continue
        try:
            event = json.loads(line)
        except ValueError:
            continue
        summary = event.get("buildMetrics", {}).get("actionSummary", {})
        for entry in summary.get("runnerCount", []):
            counts[str(entry.get("name"))] = int(entry.get("count", 0))
    return counts


def parse_warnings(text: str) -> tuple[str, ...]:
    """Parse the warnings and errors of a build, each with the last cause that the lines after it name."""
    lines: list[str] = []
    causes: list[str] = []
    for line in text.splitlines():
        if line.startswith(("WARNING", "ERROR")):
            lines.append(line)
            causes.append("")
        elif line.startswith(("INFO", "DEBUG", "Target ")):
            lines.append("")
            causes.append("")
        elif lines and (cause := _CAUSE.search(line)):
            causes[-1] = cause["cause"]
    return tuple(f"{line} {cause}".strip() for line, cause in zip(lines, causes, strict=True) if line)


def parse_settings(text: str) -> tuple[ClassSetting, ...]:
    """Parse the options that Bazel read from files, in its order, of which the later wins."""
    settings: list[ClassSetting] = []
    file = ""
    for line in text.splitlines():
        if source := _RC.match(line):
            file, options = source["file"], source["options"]
        elif line.startswith("  "):
            options = line.partition(" options: ")[2]
        else:
            file = options = ""
        if file:
            settings += [
                ClassSetting(option, file) for option in re.split(r" (?=--)", options.strip()) if option
            ]
    return tuple(settings)


def parse_option(text: str, names: Collection[str]) -> tuple[str, str]:
    """Parse an option into its name and value; ``names`` are those that a "no" before them may turn off."""
    option = _OPTION.fullmatch(text)
    if option is None:
        return text, ""
    if option["off"] and option["name"] in names:
        return option["name"], "false"
    name, value = f"{option['off'] or ''}{option['name']}", option["value"]
    return name, "true" if value is None else _BOOLEAN.get(value, value)


def _spawn(value: Mapping[str, Any]) -> Spawn:
    return Spawn(
        target=str(value.get("targetLabel", "")),
        mnemonic=str(value.get("mnemonic", "")),
        runner=str(value.get("runner", "")),
        digest=str(value.get("digest", {}).get("hash", "")),
        cacheable=bool(value.get("remoteCacheable", False)),
        size=int(value.get("digest", {}).get("sizeBytes", 0)),
        outputs={
            str(output.get("path")): str(output.get("digest", {}).get("hash", ""))
            for output in value.get("actualOutputs", [])
        },
    )


def _objects(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    position = 0
    while True:
        while position < len(text) and text[position].isspace():
            position += 1
        if position == len(text):
            return
        value, position = decoder.raw_decode(text, position)
        if not isinstance(value, dict):
            raise ValueError("an execution log contains objects")
        yield value
