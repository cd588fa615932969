"""The one place that starts processes on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from builder_contracts.runner.protocol import CompletedCommand

# Seconds for the output of what was killed.
_LINGER = 2


def run(
    arguments: Sequence[str],
    *,
    deadline: float,
    environment: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
) -> CompletedCommand:
    """Run a program by its argument list, without a shell; without input, unless some is given.

    It gets a session of its own, which is killed as a whole at the deadline and when the caller is
    interrupted, so that nothing is left behind. What left the session by itself is beyond reach, and its
    output is not waited for.
    """
    try:
        process = subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        return CompletedCommand(127, b"", str(error).encode())
    with process:
        try:
            stdout, stderr = process.communicate(stdin, timeout=deadline)
        except subprocess.TimeoutExpired:
            _kill_session(process)
            try:
                stdout, stderr = process.communicate(timeout=_LINGER)
            except subprocess.TimeoutExpired as late:
                stdout, stderr = late.stdout or b"", late.stderr or b""
            return CompletedCommand(None, stdout, stderr, f"{arguments[0]} did not end within {deadline:g} s")
        except BaseException:
            _kill_session(process)
            raise
    return CompletedCommand(process.returncode, stdout, stderr)


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill every process of the session: timeout(1) for one has its children in a group of their own.

    The leader is not waited for yet, so that its id, which is the session's, is nobody else's.
    """
    for _ in range(10):  # what is being killed may be starting another
        members = [pid for pid in _processes() if _session(pid) == process.pid]
        for pid in members:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not members:
            return


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _session(pid: int) -> int | None:
    """The session of a process that lives, from fields 3 and 6 of stat(5)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return None
    # The command in field 2 may hold blanks and brackets, so count from its end.
    state, _, _, session, *_ = stat.rpartition(")")[2].split()
    return None if state in ("Z", "X") else int(session)
