"""Published software of hosted images, one dated file an image in ``hosted``, and what jobs that move need of it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from builder_contracts.draft.proposals import Level, Proposal

_FOLDER = Path(__file__).with_name("hosted")


@dataclass(frozen=True)
class HostedImage:
    """A hosted image: its label, the page that lists its software, that page's date, and versions by tool."""

    label: str
    source: str
    date: str
    tools: Mapping[str, str]


def labels() -> list[str]:
    """The labels of the images that are known."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def hosted_image(label: str) -> HostedImage:
    """The image of that label."""
    table = tomllib.loads((_FOLDER / f"{label}.toml").read_text("utf-8"))
    return HostedImage(label, table["source"], table["date"], table["tools"])


def like(image: HostedImage) -> Iterator[Proposal]:
    """Each tool at least as new as in the image: jobs that move from there may need it."""
    for name, version in image.tools.items():
        bound = ".".join(version.split(".")[:2])
        why = f"{image.label} has {version}"
        yield Proposal(("toolchain", name), {"version": f">={bound}"}, why, Level.MINIMAL)
