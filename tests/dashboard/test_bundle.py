"""The versions and hashes that script/bundle takes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "ci" / "bundle").glob("*.txt"))
_PIN = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[^ ]+)(?: ; [^\\]+)? \\\n(?P<hashes>(?:    --hash=.*\n?)+)",
    re.MULTILINE,
)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_download_is_pinned_with_a_hash(lock: Path) -> None:
    rest = _PIN.sub("", lock.read_text("utf-8"))

    assert rest.strip() == ""
    for pin in _PIN.finditer(lock.read_text("utf-8")):
        assert re.fullmatch(r"(    --hash=sha256:[0-9a-f]{64}( \\)?\n?)+", pin["hashes"]), pin["name"]


def test_pins_are_within_the_ranges_of_the_project() -> None:
    """A range that moved on without its pin would make the bundle another tool than the project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"]
    wanted = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *extras["dashboard"],
        *extras["live"],
    ]
    text = (ROOT / "ci" / "bundle" / "requirements.txt").read_text("utf-8")
    pins = {_canonical(pin["name"]): pin["version"] for pin in _PIN.finditer(text)}

    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pins[_canonical(requirement.name)]), str(requirement)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
