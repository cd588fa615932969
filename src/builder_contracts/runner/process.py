"""The one place that starts processes on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from builder_contracts.runner.protocol import Completed


def run(
    arguments: Sequence[str], *, deadline: float, environment: Mapping[str, str] | None = None
) -> Completed:
    """Run a program by its argument list, without a shell and without input.

    It gets a process group of its own, which is killed as a whole at the deadline and when the caller is
    interrupted, so that nothing is left behind.
    """
    try:
        process = subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        return Completed(127, b"", str(error).encode())
    with process:
        try:
            stdout, stderr = process.communicate(timeout=deadline)
        except subprocess.TimeoutExpired:
            _kill_group(process)
            stdout, stderr = process.communicate()
            return Completed(None, stdout, stderr, f"{arguments[0]} did not end within {deadline:g} s")
        except BaseException:
            _kill_group(process)
            raise
    return Completed(process.returncode, stdout, stderr)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
