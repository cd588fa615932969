"""A run's directories on a machine: made under the CI system's own, and emptied of files and processes at the end.

A killed run cannot clean up, so the next run on the machine removes every directory whose owner is gone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from builder_contracts.errors import BuilderContractsError
from builder_contracts.runner.docker.cleanup import Owner
from builder_contracts.runner.leftovers import Leftovers

PREFIX = "builder-contracts-run-"
OWNER = "owner"
# Seconds after which a folder without an owner's name cannot be one that is just being made.
_MADE_WITHIN = 600
_TRIES = 50
_POLL = 0.02
# Seconds that a process gets to end by itself.
_ENDS_WITHIN = 3.0


def make() -> Path:
    """A folder of this run's own, below RUNNER_TEMP or TMPDIR. Raises BuilderContractsError."""
    where = _parent()
    try:
        # Nix takes no store below a symbolic link.
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=where)).resolve()
        (folder / OWNER).write_text(Owner.this_process().label, "utf-8")
    except OSError as error:
        raise BuilderContractsError(
            f"cannot create a work directory in {where}: {error.strerror}; set RUNNER_TEMP or TMPDIR"
        ) from None
    return folder


def _parent() -> str:
    try:
        return os.environ.get("RUNNER_TEMP") or tempfile.gettempdir()
    except OSError:
        raise BuilderContractsError(
            "no temporary directory can be written to; set RUNNER_TEMP or TMPDIR to one that can"
        ) from None


def sweep() -> list[Path]:
    """Remove what dead runs of this user left below RUNNER_TEMP or TMPDIR; their folders.

    Raises BuilderContractsError where this host has no directory for them.
    """
    removed = []
    for folder in Path(_parent()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if not folder.is_symlink() and folder.stat().st_uid == os.getuid() and _abandoned(folder):
                clear(folder.resolve())
                removed.append(folder)
    return removed


def clear(folder: Path) -> Leftovers:
    """End what runs in a folder, and remove it, whatever its files allow; what remains."""
    for pid in _inside(folder):
        # A build server asked to end takes its traces elsewhere along; Java's are below /tmp, whatever TMPDIR says.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGTERM)
    patience = time.monotonic() + _ENDS_WITHIN
    while time.monotonic() < patience and any(_inside(folder)):
        time.sleep(_POLL)
    kill(folder)
    # Build tools leave folders that nobody may write to.
    for inner, folders, _ in os.walk(folder):
        for name in folders:
            path = os.path.join(inner, name)  # noqa: PTH118 # a Path each costs more than the change of mode
            if not os.path.islink(path):  # noqa: PTH114 # the same
                with contextlib.suppress(OSError):
                    os.chmod(path, 0o700)  # noqa: PTH101 # the same
    reasons: list[str] = []
    shutil.rmtree(folder, onerror=lambda _, path, info: reasons.append(f"{path}: {info[1]}"))
    return Leftovers((f"directory {folder} ({reasons[0]})",) if folder.exists() and reasons else ())


def kill(folder: Path) -> None:
    """Kill every process of this user whose environment or working folder names the folder, until none is left."""
    for _ in range(_TRIES):
        pids = list(_inside(folder))
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not pids:
            return
        time.sleep(_POLL)


def _inside(folder: Path) -> Iterator[int]:
    for pid in psutil.pids():
        # A process that has ended and is not yet waited for has neither.
        with contextlib.suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            if pid != os.getpid() and (
                any(f"{folder}/" in value for value in process.environ().values())
                or Path(process.cwd()).is_relative_to(folder)
            ):
                yield pid


def _abandoned(folder: Path) -> bool:
    try:
        owner = Owner.from_label((folder / OWNER).read_text("utf-8"))
    except OSError:
        owner = None
    if owner is None:
        return time.time() - folder.stat().st_mtime > _MADE_WITHIN
    return owner.is_dead()
