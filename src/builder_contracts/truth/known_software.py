"""Facts about other people's software, read from ``known_software.toml``; each has its source and date."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Reference:
    """The page that a fact was read from, and the date of what it says."""

    url: str
    date: date

    def __str__(self) -> str:
        return f"{self.url}, {self.date}"


@dataclass(frozen=True)
class KnownImage:
    """An image whose registry has only these tags."""

    name: str
    tags: tuple[str, ...]
    reference: Reference


@dataclass(frozen=True)
class KnownChart:
    """A chart that does nothing without the values it requires, and the labels of its pods, if they are known."""

    name: str
    requires: tuple[str, ...]
    labels: Mapping[str, str]
    reference: Reference


@dataclass(frozen=True)
class ScaleSetChart:
    """The chart of scale sets: the values that it reads.

    ``needed_by_mode`` has the value that a mode needs. Runners of ``refuse_jobs`` refuse a job without a container unless
    ``variable`` is false.
    """

    keys: tuple[str, ...]
    needed_by_mode: Mapping[str, str]
    refuse_jobs: frozenset[str]
    variable: str
    reference: Reference


@dataclass(frozen=True)
class Writer:
    """A program that writes to a folder, unless a variable or an option names another."""

    name: str
    images: tuple[str, ...]
    folder: str
    variables: tuple[str, ...]
    options: tuple[str, ...]
    reference: Reference


@dataclass(frozen=True)
class CLibraries:
    """Images whose C library is musl, and what needs glibc: programs that ``launchers`` download, and actions."""

    musl_images: frozenset[str]
    launchers: Mapping[str, str]
    actions: frozenset[str]
    reference: Reference


@dataclass(frozen=True)
class RequiredSetting:
    """A setting without which a program does not start, once a table of its file or arguments of a prefix are used."""

    table: str
    arguments: str
    setting: str
    reference: Reference


@dataclass(frozen=True)
class KnownFile:
    """A file of settings, known by its name and tables.

    ``requires`` has the keys without which its program does not start, each with the variables that stand in for it.
    """

    name: str
    program: str
    tables: frozenset[str]
    requires: Mapping[str, tuple[str, ...]]
    reference: Reference


@dataclass(frozen=True)
class KnownProgram:
    """A program that reads nothing but its file of settings once the argument ``config`` names one.

    ``hosts`` are settings that must be a host and a port, without a scheme.
    """

    name: str
    images: tuple[str, ...]
    config: str
    environment: str
    requires: tuple[RequiredSetting, ...]
    hosts: tuple[RequiredSetting, ...]
    reference: Reference


@dataclass(frozen=True)
class PythonRules:
    """From which version rules_python accepts root, and which version releases of other modules ask for."""

    accepts_root: str
    asked_for_by: Mapping[str, str]
    reference: Reference


@dataclass(frozen=True)
class KnownAction:
    """What an action needs of a runner, empty if nothing, and the tools that it brings."""

    needs: str
    brings: tuple[str, ...]


@dataclass(frozen=True)
class KnownSoftware:
    """All facts."""

    images: Mapping[str, KnownImage]
    charts: Mapping[str, KnownChart]
    bringing_charts: Mapping[str, frozenset[str]]
    """The charts that bring the custom resources of an API group."""
    scale_set: ScaleSetChart
    writers: tuple[Writer, ...]
    libc: CLibraries
    gitlab_stages: Mapping[str, str]
    programs: tuple[KnownProgram, ...]
    files: tuple[KnownFile, ...]
    python_rules: PythonRules
    actions: Mapping[str, KnownAction]
    essential: frozenset[str]
    apart: frozenset[str]
    """Commands that the catalog names with a tool that comes without them."""
    hosted: tuple[str, ...]
    python_launchers: frozenset[str]
    """Bazel modules that run programs by python3 on PATH."""


@cache
def known_software() -> KnownSoftware:
    """The facts that the package carries."""
    data = tomllib.loads(Path(__file__).with_name("known_software.toml").read_text("utf-8"))
    images = [
        KnownImage(entry["name"], tuple(entry["tags"]), Reference(entry["source"], entry["date"]))
        for entry in data["images"]
    ]
    charts = [
        KnownChart(
            entry["name"],
            tuple(entry["requires"]),
            entry.get("labels", {}),
            Reference(entry["source"], entry["date"]),
        )
        for entry in data["charts"]
    ]
    programs = [
        KnownProgram(
            entry["name"],
            tuple(entry["images"]),
            entry["config"],
            entry["environment"],
            _settings(entry, "requires"),
            _settings(entry, "hosts"),
            Reference(entry["source"], entry["date"]),
        )
        for entry in data["programs"]
    ]
    files = [
        KnownFile(
            entry["name"],
            entry["program"],
            frozenset(entry["tables"]),
            {required["key"]: tuple(required["variables"]) for required in entry["requires"]},
            Reference(entry["source"], entry["date"]),
        )
        for entry in data["files"]
    ]
    rules = data["rules_python"]
    return KnownSoftware(
        {image.name: image for image in images},
        {chart.name: chart for chart in charts},
        {entry["group"]: frozenset(entry["charts"]) for entry in data["custom_resources"]},
        _scale_set(data["scale_set"]),
        tuple(_writer(entry) for entry in data["writers"]),
        _libc(data["libc"]),
        data["gitlab_stages"]["templates"],
        tuple(programs),
        tuple(files),
        PythonRules(rules["accepts_root"], rules["asked_for_by"], Reference(rules["source"], rules["date"])),
        {
            name: KnownAction(entry.get("needs", ""), tuple(entry.get("brings", ())))
            for name, entry in data["actions"].items()
        },
        frozenset(data["essential"]["tools"]),
        frozenset(data["apart"]["commands"]),
        tuple(data["hosted"]["labels"]),
        frozenset(data["python_launcher"]["modules"]),
    )


def _scale_set(entry: Mapping[str, Any]) -> ScaleSetChart:
    return ScaleSetChart(
        tuple(entry["keys"]),
        entry["needed_by_mode"],
        frozenset(entry["refuse_jobs"]),
        entry["variable"],
        Reference(entry["source"], entry["date"]),
    )


def _writer(entry: Mapping[str, Any]) -> Writer:
    return Writer(
        entry["name"],
        tuple(entry["images"]),
        entry["folder"],
        tuple(entry.get("variables", ())),
        tuple(entry.get("options", ())),
        Reference(entry["source"], entry["date"]),
    )


def _libc(entry: Mapping[str, Any]) -> CLibraries:
    return CLibraries(
        frozenset(entry["musl_images"]),
        entry["launchers"],
        frozenset(entry["actions"]),
        Reference(entry["source"], entry["date"]),
    )


def _settings(entry: Mapping[str, Any], kind: str) -> tuple[RequiredSetting, ...]:
    return tuple(
        RequiredSetting(
            setting["table"],
            setting["arguments"],
            setting["setting"],
            Reference(setting["source"], entry["date"]),
        )
        for setting in entry.get(kind, ())
    )
