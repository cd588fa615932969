"""The testbed of this machine: a real runner, on which jobs get their own directories and nothing is started."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from builder_contracts.prove.job import ProofJob, StepFailed
from builder_contracts.prove.testbed import Testbed
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner import process
from builder_contracts.runner.local import scratch_folder
from builder_contracts.runner.protocol import CompletedCommand, Runner
from builder_contracts.runner.shutdown import ENDED

# Variables that would lead a job out of its own home.
_ASTRAY = ("DOCKER_CONFIG", "NETRC")
# Seconds for requests, and for those that take something back while somebody waits for the end.
_ASK, _UNDO = 120, 30
_CLIENTS = {"bazel-grpc": ("grpc", "google.protobuf"), "objects": ("boto3",)}


@dataclass(frozen=True)
class LocalJob(ProofJob):
    """A job in a folder of this machine, which the harness reaches as well."""

    def write(self, path: str, content: bytes, *, mode: str = "0600") -> None:
        # Not through a command: others can list the arguments of a machine's processes.
        file = Path(path)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            # Open already, so that its mode may forbid to write to it.
            descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, int(mode, 8))
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(content)
        except OSError as error:
            raise StepFailed(f"writing {path}", error.strerror or str(error)) from None


@dataclass(kw_only=True)
class LocalTestbed(Testbed):
    """One class on this machine. ``root`` is the run's folder, ``class_home`` the home that the class promises."""

    runner: Runner
    root: Path
    class_home: str

    @property
    def services(self) -> None:
        return None

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.class_home, str(self.root))

    @property
    def bad_caches(self) -> str:
        return f"file://{self.root}/bad-caches-{self.name}"

    @contextlib.contextmanager
    def fresh(self, purpose: str) -> Iterator[ProofJob]:
        if self.ending.come:
            raise StepFailed(f"creating a directory for {purpose}", ENDED)
        home = self.root / self._unique_name(purpose)
        temporary = home / "tmp"
        try:
            temporary.mkdir(parents=True)
        except OSError as error:
            raise StepFailed(f"creating a directory for {purpose}", str(error)) from None
        true_home = str(Path.home())
        config = os.environ.get("XDG_CONFIG_HOME") or f"{true_home}/.config"
        environment = {
            "HOME": str(home),
            "TMPDIR": str(temporary),
            # Some tools ask the list of users for the home, and these first.
            "XDG_CACHE_HOME": f"{home}/.cache",
            "XDG_CONFIG_HOME": f"{home}/.config",
            "XDG_DATA_HOME": f"{home}/.local/share",
            "XDG_STATE_HOME": f"{home}/.local/state",
            # A class whose user switches signatures off has to show it.
            "NIX_USER_CONF_FILES": os.environ.get("NIX_USER_CONF_FILES") or f"{config}/nix/nix.conf",
            "CI_PROOF_SECRET": self.token,
        }
        try:
            yield LocalJob(
                self.job_runner(self.runner), f"{home}/proof", environment, shared=True, true_home=true_home,
                without=_ASTRAY, last_runner=self.cleanup_runner(self.runner),
            )  # fmt: skip
        finally:
            scratch_folder.clear(home)

    def send(self, requests: str, *, beside: ProofJob | None, undo: bool) -> CompletedCommand:  # noqa: ARG002 # of a machine all have its position
        program = resources.files(__package__).joinpath("protocol_client.py").read_text("utf-8")
        line = [sys.executable, "-c", program]
        if undo:
            return process.run(line, deadline=_UNDO if self.ending.come else _ASK, stdin=requests.encode())
        # Known by its environment to belong to the run, so that it ends with it.
        environment = {**os.environ, "TMPDIR": f"{self.root}/"}
        return self.ending.run(
            lambda: process.run(line, deadline=_ASK, stdin=requests.encode(), environment=environment)
        )

    def trust(self, job: ProofJob, registry: str) -> None:
        """A deployment's certificate is for the pool to trust, not for a proof."""


def without_client(role: str) -> Unavailable | None:
    """Return the reason why this host cannot read the cache of a role, or None if it can. Check before any write."""
    missing = [name for name in _CLIENTS.get(role, ()) if not _importable(name)]
    if not missing:
        return None
    pip = f"{shlex.quote(sys.executable)} -m pip install 'builder-contracts[live]'"
    return Unavailable(f"cannot verify what is written: this Python lacks {' and '.join(missing)}; run {pip}")


def _importable(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
