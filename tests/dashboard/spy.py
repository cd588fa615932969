"""What each part of a check was started with: seen by a plugin in the real pytest, beside the product's own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

PARTS = ("quick", "proofs", "canaries")

_PLUGIN = """
import json, os, pathlib, sys
def pytest_configure(config):
    selection = config.option.markexpr
    part = "quick" if "not proof" in selection else "proofs" if "not canaries" in selection else "canaries"
    pathlib.Path(os.environ["SPY"], part + ".json").write_text(json.dumps([sys.orig_argv, dict(os.environ)]))
"""


@dataclass(frozen=True)
class Start:
    """The command line and the environment of one pytest."""

    arguments: list[str]
    environment: dict[str, str]

    @property
    def roles(self) -> list[str]:
        """The roles that it may write to."""
        given = zip(self.arguments, self.arguments[1:], strict=False)
        return [value for option, value in given if option == "--allow-writes"]


class Spy:
    """A folder in which every pytest with ``environment`` leaves how it was started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        (folder / "spy.py").write_text(_PLUGIN)
        self.environment = {"PYTHONPATH": str(folder), "SPY": str(folder), "PYTEST_PLUGINS": "spy"}

    def start(self, part: str) -> Start:
        """How the last pytest of that part was started."""
        arguments, environment = json.loads((self._folder / f"{part}.json").read_text())
        return Start(arguments, environment)
