"""The command line: as a process of its own, on pipes or on a terminal, and in this one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from builder_contracts.cli import group
from builder_contracts.errors import BuilderContractsError

COMMAND = (sys.executable, "-P", "-c", "from builder_contracts.cli import main; main()")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


def run(*arguments: str, cwd: Path, environment: Mapping[str, str] | None = None) -> Ended:
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, env={**os.environ, **(environment or {})},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


def run_on_terminal(*arguments: str, cwd: Path, environment: Mapping[str, str] | None = None) -> Ended:
    """The same with a terminal on both outputs; ``out`` holds what it shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=cwd, env={**os.environ, "TERM": "xterm", **(environment or {})},
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # how Linux says that the other side is closed
        pass
    finally:
        os.close(ours)
    return Ended(process.wait(timeout=60), shown.decode(), "")


def call(*arguments: str) -> tuple[int, str]:
    """The exit code and all output of a command in this process."""
    result = CliRunner().invoke(group, arguments, standalone_mode=False)
    error = result.exception
    if isinstance(error, BuilderContractsError):
        return error.exit_code, str(error)
    assert error is None, error
    return result.return_value, result.output
