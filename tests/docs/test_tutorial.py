"""The tutorial, run as it stands: its files are written, its commands run, its output compared.

Two things are replaced, so that it runs anywhere and touches nobody's images: the public base image by the
project's own, and the name my-runner by one that nobody else has, which is also added as a label. The installation is not run again: the
package under test is the one that is installed here.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import docker.errors
import pytest

from builder_contracts.errors import EngineError
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.network import SERVICES_IMAGE

ROOT = Path(__file__).parents[2]
BASE = "builder-contracts/base:sid"

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w./-]+/[\w.-]+)`[^`]*$")


@dataclass
class Command:
    """A command of the page and the lines that the page shows under it; ``…`` stands for any lines."""

    text: str
    output: list[str] = field(default_factory=list)
    status: int = 0


@dataclass
class File:
    """A file that the page shows; ``more`` is added to what is there."""

    name: str
    text: str
    more: bool


def steps(page: str) -> Iterator[Command | File]:
    for fence in FENCE.finditer(page):
        language, text = fence[1], fence[2]
        before = page[: fence.start()].rstrip()
        if language in ("yaml", "dockerfile"):
            paragraph = before.rpartition("\n\n")[2]
            named = FILE.search(paragraph)
            assert named, f"the page does not say which file this is: {text[:60]}"
            yield File(named[1], text, paragraph.rpartition(". ")[2].startswith("Add to"))
        elif language == "console":
            yield from _commands(text)


def _commands(text: str) -> Iterator[Command]:
    command: Command | None = None
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command
            command = Command(line[2:])
        elif (ended := re.fullmatch(r"\[exit code (\d+)\]", line)) and command:
            command.status = int(ended[1])
        elif command:
            command.output.append(line)
    if command:
        yield command


def plain(text: str) -> list[str]:
    """The lines of an output without what differs from run to run."""
    text = re.sub(r"sha256:[0-9a-f…]+", "sha256:…", text)
    text = re.sub(r"\b\d+\.\d+ ?s\b", "N s", text)
    return [" ".join(line.split()).strip("= ") for line in text.splitlines() if line.strip()]


def missing(shown: list[str], printed: str) -> str | None:
    """The first shown line that was not printed at its place, or None."""
    lines = plain(printed)
    at, anywhere = 0, False
    for line in shown:
        if line == "…":
            anywhere = True
            continue
        wanted = plain(line)[0]
        while anywhere and at < len(lines) and lines[at] != wanted:
            at += 1
        if at >= len(lines) or lines[at] != wanted:
            return line
        at, anywhere = at + 1, False
    return None


@pytest.fixture
def needs_engine() -> None:
    try:
        client = engine.connect()
    except EngineError as error:
        pytest.skip(str(error))
    for image in (BASE, SERVICES_IMAGE):
        if engine.describe_image(client, image) is None:
            pytest.skip(f"the image {image} is not in the engine: script/images builds it")
    client.close()


@pytest.fixture
def name(needs_engine: None) -> Iterator[str]:
    del needs_engine
    unique = f"my-runner-{secrets.token_hex(4)}"
    yield unique
    client = engine.connect()
    # By name: an image of the same content may have other names, which are not ours.
    for tag in ("latest", "next"):
        with suppress(docker.errors.ImageNotFound):
            client.images.remove(f"{unique}:{tag}")
    client.close()


@pytest.mark.docker
@pytest.mark.xdist_group("tutorial")
def test_tutorial_commands_print_what_the_page_shows(tmp_path: Path, name: str) -> None:
    page = (ROOT / "docs/tutorials/first-contract.md").read_text("utf-8")
    page = page.replace("debian:stable-slim", BASE).replace("my-runner", name)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV"))}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # Long class names would wrap what the page shows in one line.
    environment["COLUMNS"] = "200"
    ran = 0
    for step in steps(page):
        if isinstance(step, File):
            path = tmp_path / step.name
            path.parent.mkdir(exist_ok=True)
            text = (path.read_text("utf-8") + "\n" if step.more else "") + step.text
            # Images of the same content are one image, and somebody else may remove theirs.
            label = f"LABEL tutorial={name}\n" if path.name == "Dockerfile" else ""
            path.write_text(text + label, "utf-8")
            continue
        done = subprocess.run(
            ["/bin/bash", "-c", step.text],
            cwd=tmp_path,
            env=environment,
            timeout=300,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == step.status, f"$ {step.text}\n{done.stdout}"
        assert missing(step.output, done.stdout) is None, f"$ {step.text}\n{done.stdout}"
        ran += 1
    assert ran == page.count("\n$ ")


@pytest.mark.parametrize(
    ("shown", "printed", "lacks"),
    [
        (["a", "…", "c"], "a\nb\nc\nd", None),
        (["a", "c"], "a\nb\nc", "c"),
        (["…", "x"], "a\nb", "x"),
        (["took 0.5 s"], "took 1.25 s", None),
        (["4 kept"], "5 kept", "4 kept"),
    ],
)
def test_what_the_page_shows_is_compared_line_by_line(
    shown: list[str], printed: str, lacks: str | None
) -> None:
    assert missing(shown, printed) == lacks
