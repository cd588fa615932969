"""The kernel that a canary builds: its ``kernel.yaml``, and the options that replace parts of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder_contracts.contract import validity
from builder_contracts.contract.document import Document, read
from builder_contracts.errors import InputError, Location, Problem

OWN_BUDGET = 10
"""How many times longer a kernel may take that is not the canary's own small one."""


@dataclass(frozen=True)
class Pin:
    """A source package of the image's distribution by version and SHA-256; ``tarball`` is its member."""

    package: str
    version: str
    sha256: str
    tarball: str


@dataclass(frozen=True)
class Recipe:
    """A kernel to build.

    ``source`` is the pinned package, or a folder or tarball of this machine. ``base`` is a make target or a
    configuration file; ``fragments`` go over it, the last one on top, unless the source brings its own.
    ``patches`` is the folder of the series for the pinned source. ``release`` follows the version in
    ``uname -r``. ``devices`` are classes of devices, ``quirk`` a text of the kernel's log, that the booted
    kernel must show. ``budget`` are seconds by tier.
    """

    folder: Path
    source: Pin | Path
    base: str | Path
    fragments: tuple[Path, ...]
    patches: Path | None
    release: str
    devices: tuple[str, ...]
    quirk: str
    budget: Mapping[str, float]

    @property
    def localversion(self) -> str:
        return f"-{self.release}"


def load(folder: Path, *, source: Path | None = None, config: Path | None = None) -> Recipe:
    """Read ``kernel.yaml`` in the folder; ``source`` and ``config`` replace what it says.

    Such a source brings its own patches and fragments, which are found once it is unpacked in the runner.
    Raises InputError.
    """
    path = folder / "kernel.yaml"
    if not path.is_file():
        raise InputError(
            [Problem(Location(str(path), 1), "this canary does not build a kernel", f"create {path}")]
        )
    document = read(path)
    validity.check("kernel", document)
    data = document.data
    recipe = Recipe(
        folder=folder,
        source=Pin(**data["source"]),
        base=data["configuration"]["base"],
        fragments=tuple(
            _inside(document, folder, name, ("configuration", "fragments", index))
            for index, name in enumerate(data["configuration"]["fragments"])
        ),
        patches=_inside(document, folder, f"{data['patches']}/series", ("patches",)).parent,
        release=data["release"],
        devices=tuple(data["boot"]["drivers"]),
        quirk=data["boot"]["quirk"],
        budget={tier: float(seconds) for tier, seconds in data["budget"].items()},
    )
    if source is not None:
        recipe = _with_source(recipe, source)
    return _with_config(recipe, config) if config is not None else recipe


def _inside(document: Document, folder: Path, name: str, key: tuple[str | int, ...]) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        problem = "points outside the canary" if path.exists() else "does not exist"
        raise InputError([Problem(document.source(key), f"{name} {problem}", f"use a file in {folder}")])
    return path


def _with_source(recipe: Recipe, source: Path) -> Recipe:
    if source.is_dir() and not (source / "Kbuild").is_file():
        raise _argument("--linux-xr-source", source, "is not a kernel source tree: no Kbuild")
    if not source.is_dir() and not source.is_file():
        raise _argument("--linux-xr-source", source, "is neither a directory nor a tarball")
    return dataclasses.replace(
        recipe,
        source=source.resolve(),
        # Somebody else's tree may have our patches, others, or none: only what it brings itself is applied.
        patches=None,
        quirk="",
        budget={tier: OWN_BUDGET * seconds for tier, seconds in recipe.budget.items()},
    )


def _with_config(recipe: Recipe, config: Path) -> Recipe:
    if not config.is_file():
        raise _argument("--linux-xr-config", config, "is not a file")
    return dataclasses.replace(
        recipe,
        base=config.resolve(),
        budget={tier: OWN_BUDGET * seconds for tier, seconds in recipe.budget.items()},
    )


def _argument(option: str, path: Path, problem: str) -> InputError:
    fix = {
        "--linux-xr-source": "pass an unpacked kernel tree or a tarball",
        "--linux-xr-config": "pass a kernel configuration, such as a distribution's /boot/config-*",
    }
    return InputError([Problem(Location("command line"), f"{option} {path} {problem}", fix[option])])
