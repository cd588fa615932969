"""Shells that runner images have as /bin/sh, each under that name, and the probe run in them."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from builder_contracts.observe.inside.answers import ProbeAnswers, parse
from builder_contracts.observe.inside.questions import SEPARATOR, probe
from builder_contracts.runner import process

NONCE = "10293847560123456789"
SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Shell:
    """A shell by its arguments, found before PATH changes."""

    name: str
    arguments: tuple[str, ...]

    def ask(
        self,
        *questions: Sequence[str],
        path: str = SYSTEM,
        environment: Mapping[str, str] | None = None,
        deadline: float = 60,
        patience: int = 20,
        moved: Mapping[str, str] | None = None,
    ) -> ProbeAnswers:
        """The answers of one run of the probe. Each question is its words; ``patience`` is a tool's time limit.

        ``moved`` are paths of the probe that stand elsewhere in this test.
        """
        text = probe()
        assert "\npatience=20\n" in text
        text = text.replace("\npatience=20\n", f"\npatience={patience}\n")
        for path_there, path_moved in (moved or {}).items():
            assert path_there in text
            text = text.replace(path_there, path_moved)
        lines = [SEPARATOR.join(words) for words in questions]
        completed = process.run(
            [*self.arguments, "-c", text, "builder-contracts-probe", NONCE, *lines],
            deadline=deadline,
            last_line=f'{NONCE} ["end","","complete"]'.encode(),
            # yash loses a word that the locale of its start cannot read.
            environment={"PATH": path, "HOME": "/root", "LC_ALL": "C.UTF-8", **(environment or {})},
        )
        # bash warns when a tool prints NUL bytes, which no shell can hold.
        complaints = [
            line for line in completed.stderr.splitlines() if not line.endswith(b"ignored null byte in input")
        ]
        assert complaints == [], complaints
        assert completed.status == 0 or completed.ended
        return parse(completed.stdout, completed.ended, nonce=NONCE)


NAMES = ("dash", "bash", "busybox", "ksh", "mksh", "posh", "yash", "zsh")


def shells(*names: str) -> list[object]:
    """Each shell as a parameter; one that this machine lacks is skipped with what brings it."""
    parameters: list[object] = []
    for name in names or NAMES:
        path = shutil.which(name, path=SYSTEM)
        marks = [] if path else [pytest.mark.skip(reason=f"no {name} here: apt-get install {name}")]
        parameters.append(pytest.param(Shell(name, (_as_sh(path),) if path else ()), id=name, marks=marks))
    return parameters


def side_by_side(ask: Callable[[Shell], ProbeAnswers]) -> dict[str, ProbeAnswers]:
    """The answers in each shell of this machine, by its name; they are asked together, as each waits for a time limit."""
    installed = {name: path for name in NAMES if (path := shutil.which(name, path=SYSTEM))}
    with ThreadPoolExecutor(len(NAMES)) as pool:
        answers = pool.map(ask, [Shell(name, (_as_sh(path),)) for name, path in installed.items()])
        return dict(zip(installed, answers, strict=True))


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="shells-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _as_sh(path: str) -> str:
    """The shell under the name "sh", which makes most of them follow POSIX."""
    link = _folder() / Path(path).name / "sh"
    if not link.is_symlink():
        link.parent.mkdir()
        link.symlink_to(path)
    return str(link)


def program(folder: Path, name: str, text: str) -> Path:
    """A program for the probe to find: a shell script of the given text."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path


def links(folder: Path, *names: str) -> str:
    """A PATH of nothing but these programs of the system."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        program_path = shutil.which(name, path=SYSTEM)
        assert program_path is not None
        (folder / name).symlink_to(os.path.realpath(program_path))
    return str(folder)
