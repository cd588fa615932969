"""The bench that is the machine itself: a real runner, where jobs get folders of their own and nothing is started."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from builder_contracts.prove import workplace
from builder_contracts.prove.bench import Bench
from builder_contracts.prove.job import Failed, Job
from builder_contracts.prove.records import Lost
from builder_contracts.runner import process
from builder_contracts.runner.protocol import Completed, Runner, Setting

# Variables that would lead a job out of its own home.
_ASTRAY = ("DOCKER_CONFIG", "NETRC")
# A secret that is shorter would be found by chance, in files as well.
_SHORTEST = 6
_GRPC_CLIENT = ("grpc", "google.protobuf")


class Ending:
    """Runs commands on a runner until it is ended; what would begin afterwards fails at once."""

    def __init__(self) -> None:
        self._idle = threading.Condition()
        self._running = 0
        self._ended = False

    def execute(self, runner: Runner, arguments: Sequence[str], deadline: float) -> Completed:
        with self._idle:
            if self._ended:
                return Completed(None, b"", b"", "the run was ended")
            self._running += 1
        try:
            return runner.execute(arguments, deadline=deadline)
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def end(self, kill: Callable[[], None]) -> None:
        """Let nothing begin any more, and kill until nothing runs."""
        with self._idle:
            self._ended = True
            while self._running:
                kill()
                self._idle.wait(0.1)


@dataclass(frozen=True)
class _Discreet:
    """A runner whose commands end with the run, and say nothing secret: what they print ends in reports."""

    runner: Runner
    ending: Ending
    secrets: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def setting(self) -> Setting:
        return self.runner.setting

    def execute(self, arguments: Sequence[str], *, deadline: float) -> Completed:
        done = self.ending.execute(self.runner, arguments, deadline)
        return Completed(done.status, self._masked(done.stdout), self._masked(done.stderr), done.ended)

    def _masked(self, text: bytes) -> bytes:
        for secret in self.secrets:
            # Of the same length, because an archive is printed as well.
            text = text.replace(secret, b"*" * len(secret))
        return text


@dataclass(frozen=True)
class MachineJob(Job):
    """A job in a folder of this machine, which the harness reaches as well."""

    def write(self, path: str, content: bytes, *, mode: str = "0600") -> None:
        # Not through a command: others can list the arguments of a machine's processes.
        file = Path(path)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            file.touch(int(mode, 8), exist_ok=False)
            file.write_bytes(content)
        except OSError as error:
            raise Failed(f"writing {path}", error.strerror or str(error)) from None


@dataclass(kw_only=True)
class MachineBench(Bench):
    """One class on this machine. ``root`` is the run's folder, ``class_home`` the home that the class promises."""

    runner: Runner
    root: Path
    class_home: str
    ending: Ending = field(default_factory=Ending)

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
    def fresh(self, what: str) -> Iterator[Job]:
        home = self.root / self._named(what)
        temporary = home / "tmp"
        try:
            temporary.mkdir(parents=True)
        except OSError as error:
            raise Failed(f"making a folder for {what}", str(error)) from None
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
        runner = _Discreet(
            self.runner, self.ending, tuple(each for each in self._secrets() if len(each) >= _SHORTEST)
        )
        try:
            yield MachineJob(
                runner, f"{home}/proof", environment, shared=True, true_home=true_home,
                without=_ASTRAY,
            )  # fmt: skip
        finally:
            workplace.clear(home)

    def ask(
        self,
        requests: Sequence[Mapping[str, Any]],
        *,
        beside: Job | None = None,  # noqa: ARG002 # everything on a machine has its position
    ) -> list[dict[str, Any]]:
        program = resources.files(__package__).joinpath("outsider.py").read_text("utf-8")
        done = process.run(
            [sys.executable, "-c", program], deadline=120, stdin=json.dumps(list(requests)).encode()
        )
        if done.status != 0:
            raise Failed("asking the deployment", done.ended or done.stderr.decode("utf-8", "replace")[-300:])
        answers: list[dict[str, Any]] = json.loads(done.stdout)
        return answers

    def _secrets(self) -> Iterator[bytes]:
        """What a deployment trusts this run with, as tools print it."""
        for endpoint in self.endpoints.values():
            given = endpoint.credentials or self.credentials
            for identity in (given.reader, given.writer):
                yield from (identity.secret.encode(), identity.authorization.rpartition(" ")[2].encode())
            yield endpoint.signing_key.rpartition(":")[2].strip().encode()

    def trust(self, job: Job, registry: str) -> None:
        """A deployment's certificate is for the pool to trust, not for a proof."""


def without_client(role: str) -> Lost | None:
    """Why nobody here can look into the cache of a role, if so: to be known before anything is written to it."""
    missing = [name for name in _GRPC_CLIENT if not _importable(name)]
    if role != "bazel-grpc" or not missing:
        return None
    pip = f"{shlex.quote(sys.executable)} -m pip install 'builder-contracts[live]'"
    return Lost(
        f"nobody could look what arrives in the cache: this Python has no {' and no '.join(missing)}; {pip} "
        "(or grpcio and protobuf by themselves)"
    )


def _importable(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
