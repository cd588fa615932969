"""Facts about other people's software, read from ``known_software.toml``; each has its source and date."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path


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
    """A chart that does nothing without some values."""

    name: str
    requires: tuple[str, ...]
    reference: Reference


@dataclass(frozen=True)
class RequiredSetting:
    """A setting without which a program does not start, once a table of its file or arguments of a prefix are used."""

    table: str
    arguments: str
    setting: str
    reference: Reference


@dataclass(frozen=True)
class KnownProgram:
    """A program that reads nothing but its file of settings once the argument ``config`` names one."""

    name: str
    images: tuple[str, ...]
    config: str
    environment: str
    requires: tuple[RequiredSetting, ...]
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
    programs: tuple[KnownProgram, ...]
    python_rules: PythonRules
    actions: Mapping[str, KnownAction]
    essential: frozenset[str]
    hosted: tuple[str, ...]


@cache
def known_software() -> KnownSoftware:
    """The facts that the package carries."""
    data = tomllib.loads(Path(__file__).with_name("known_software.toml").read_text("utf-8"))
    images = [
        KnownImage(entry["name"], tuple(entry["tags"]), Reference(entry["source"], entry["date"]))
        for entry in data["images"]
    ]
    charts = [
        KnownChart(entry["name"], tuple(entry["requires"]), Reference(entry["source"], entry["date"]))
        for entry in data["charts"]
    ]
    programs = [
        KnownProgram(
            entry["name"],
            tuple(entry["images"]),
            entry["config"],
            entry["environment"],
            tuple(
                RequiredSetting(
                    required["table"],
                    required["arguments"],
                    required["setting"],
                    Reference(required["source"], entry["date"]),
                )
                for required in entry["requires"]
            ),
            Reference(entry["source"], entry["date"]),
        )
        for entry in data["programs"]
    ]
    rules = data["rules_python"]
    return KnownSoftware(
        {image.name: image for image in images},
        {chart.name: chart for chart in charts},
        tuple(programs),
        PythonRules(rules["accepts_root"], rules["asked_for_by"], Reference(rules["source"], rules["date"])),
        {
            name: KnownAction(entry.get("needs", ""), tuple(entry.get("brings", ())))
            for name, entry in data["actions"].items()
        },
        frozenset(data["essential"]["tools"]),
        tuple(data["hosted"]["labels"]),
    )
