"""A pool of one: containers of a class's image as its real runners, on which the true command line is run."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest

from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, remove_container
from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.services.stack import ServiceStack

ROOT = Path(__file__).parents[2]
PYTHON = "/opt/venv/bin/python"
CONTRACTS = ROOT / "contracts"
# A job in the pool: GitHub's own variables, and the host name matches the runner's name.
JOB = {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "self-hosted", "RUNNER_OS": "Linux"}


@dataclass
class Checked:
    """What one run of the command line found: its evidence by local clause id, and what it said."""

    completed: CompletedCommand
    evidence: dict[str, dict[str, Any]]

    def ids(self, outcome: str) -> set[str]:
        return {local_id for local_id, line in self.evidence.items() if line["outcome"] == outcome}

    @property
    def kept(self) -> set[str]:
        return self.ids("kept")

    @property
    def broken(self) -> set[str]:
        return self.ids("broken")

    @property
    def unproven(self) -> set[str]:
        return self.ids("unproven")

    def seen(self, local_id: str) -> str:
        line = self.evidence[local_id]
        return f"{line['observation']} / {line['cause']} {line['fix']}"

    @property
    def text(self) -> str:
        return (self.completed.stdout + self.completed.stderr).decode()


@dataclass
class Machine:
    """One runner of a class. The harness is in it as a job's own tool would be, and belongs to the job's user."""

    client: docker.DockerClient
    container: str
    builder: str
    name: str
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> CompletedCommand:
        return engine.execute(
            self.client, self.container, arguments, deadline=540,
            environment={**self.environment, **(environment or {})},
        )  # fmt: skip

    def check(
        self,
        *options: str,
        contracts: Path = CONTRACTS,
        live: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> Checked:
        """Run ``builder-contracts check --runner local`` of the class as a job's step."""
        job = {**JOB, "RUNNER_NAME": self.name} if live else {}
        completed = self.run(
            PYTHON, "-P", "-c", "from builder_contracts.cli import main; main()", "check", "--runner", "local",
            "--builder", self.builder, "--evidence", "/tmp/evidence", *options, str(contracts),
            environment={**job, **(environment or {})},
        )  # fmt: skip
        text = self.run("cat", "/tmp/evidence/evidence.jsonl").stdout.decode()
        self.run("rm", "-rf", "/tmp/evidence")
        lines = [json.loads(line) for line in text.splitlines()]
        return Checked(completed, {line["clause"].partition("/")[2]: line for line in lines})

    def left(self) -> list[str]:
        """What a run has left: folders, and processes of the user that are not this look."""
        script = (
            "ls -d /tmp/builder-contracts-run-* 2>/dev/null; ls /nix/store 2>/dev/null; "
            'for entry in /proc/[0-9]*; do tr "\\0" " " <$entry/cmdline 2>/dev/null; echo; done '
            "| grep -E 'bazel|nix|builder.contracts' | grep -v grep"
        )
        return self.run("sh", "-c", script).stdout.decode().splitlines()

    def put(self, path: str, text: str) -> None:
        completed = self.run(
            "sh", "-c", 'mkdir -p "$(dirname "$1")" && printf %s "$2" >"$1"', "sh", path, text
        )
        assert completed.status == 0, completed


@dataclass
class Pool:
    """The runners of one test, on the network of a host's services, with folders of the test in them."""

    client: docker.DockerClient
    run: RunLabels
    host: ServiceStack
    folder: Path
    containers: list[str] = field(default_factory=list)

    def runner(
        self, builder: str, *, daemon: Sequence[str] = (), variables: Mapping[str, str] | None = None
    ) -> Machine:
        """A machine of the class as ARC starts them: named by its runner, with the image's own user.

        ``daemon`` are options of the daemon that one class has beside it.
        """
        name = f"{builder}-abcde-runner-{len(self.containers)}"
        mode = self.host.network
        container = self._start(name, builder, ["sleep", "infinity"], network_mode=mode, hostname=name)
        if builder == "tinyland-dind":
            command = ["dockerd", "--host=tcp://127.0.0.1:2375", "--tls=false", *daemon]
            sidecar = self._start(
                f"{name}-daemon", builder, command, network_mode=f"container:{container}", user="root",
                privileged=True,
            )  # fmt: skip
            wait = "until docker --host tcp://127.0.0.1:2375 version >/dev/null 2>&1; do sleep 0.1; done"
            assert engine.execute(self.client, sidecar, ["sh", "-c", wait], deadline=60).status == 0
        machine = Machine(self.client, container, builder, name, dict(variables or {}))
        python = machine.run(PYTHON, "-c", "import builder_contracts.cli, pytest, ssl")
        if python.status != 0:
            pytest.skip(f"this Python does not run in {builder}: {python.stderr.decode()[-200:]}")
        return machine

    def _start(
        self,
        name: str,
        image: str,
        command: Sequence[str],
        *,
        network_mode: str,
        user: str = "",
        hostname: str | None = None,
        privileged: bool = False,
    ) -> str:
        api: Any = self.client.api
        created = api.create_container(
            image, list(command), name=self.run.name(name), labels=self.run.labels, user=user, hostname=hostname,
            # A Python that was built as a shared library is found by its folder.
            environment={"LD_LIBRARY_PATH": "/opt/python/lib"},
            host_config=api.create_host_config(
                network_mode=network_mode,
                binds={str(source): {"bind": target, "mode": "ro"} for target, source in _mounts(self.folder).items()},
                cap_drop=None if privileged else ["ALL"],
                security_opt=None if privileged else ["no-new-privileges"],
                privileged=privileged,
                init=True,
            ),
            volumes=["/var/lib/docker"] if privileged else None,
        )  # fmt: skip
        self.containers.append(created["Id"])
        api.start(created["Id"])
        return str(created["Id"])

    def close(self) -> None:
        for container in reversed(self.containers):
            remove_container(self.client, container)


def _mounts(folder: Path) -> dict[str, Path]:
    """By their places in a machine: this Python, its packages, the package, its contracts and canaries, the test's."""
    return {
        "/opt/python": Path(sys.base_prefix),
        "/opt/venv": _virtual_environment(folder),
        "/opt/site-packages": Path(sysconfig.get_paths()["purelib"]),
        **{str(ROOT / name): ROOT / name for name in ("src", "contracts", "canaries")},
        "/world": folder,
    }


def _virtual_environment(folder: Path) -> Path:
    """This environment as it looks in a machine: its interpreter and packages are elsewhere there."""
    created = folder / "venv"
    if not created.exists():
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        (created / "bin").mkdir(parents=True)
        (created / "lib" / version).mkdir(parents=True)
        (created / "bin" / "python").symlink_to(f"/opt/python/bin/{version}")
        (created / "lib" / version / "site-packages").symlink_to("/opt/site-packages")
        (created / "pyvenv.cfg").write_text("home = /opt/python/bin\n", "utf-8")
    return created


def world(folder: Path, changes: Mapping[str, str]) -> Path:
    """Contracts and canaries of their own with other files in some places; where the contracts are in a machine."""
    for name in ("contracts", "canaries"):
        shutil.copytree(ROOT / name, folder / name, ignore=_links)
    for name, text in changes.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return Path("/world/contracts")


def _links(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_symlink()]


@contextlib.contextmanager
def pool(folder: Path) -> Iterator[Pool]:
    """A pool whose runners and services are gone afterwards."""
    inner = folder / "world"
    inner.mkdir(mode=0o755)
    client, run = engine.connect(), RunLabels()
    host = ServiceStack(client, run, name="pool")
    created = Pool(client, run, host, inner)
    try:
        yield created
    finally:
        created.close()
        host.close()
        client.close()
