"""The kernel's view of a job's process: from this host's /proc, or from a container next to it."""

from __future__ import annotations

import contextlib
import math
import secrets
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

import docker
import docker.errors
import requests.exceptions

from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, remove_container
from builder_contracts.runner.docker.network import SERVICES_IMAGE
from builder_contracts.runner.file_archive import pack
from builder_contracts.runner.process import run as run_here
from builder_contracts.runner.protocol import CompletedCommand

IDLE = "/.builder-contracts-idle"
"""Where a container that no program of its image can keep alive has a program that waits."""


def look(
    client: docker.DockerClient,
    run: RunLabels,
    container: str,
    program: str,
    arguments: Sequence[str],
    deadline: float,
    *,
    process: int = 1,
) -> CompletedCommand:
    """Run a Python program with the directory of a process below /proc as its first argument.

    ``process`` is the id of the job's process in the container.
    """
    try:
        state = engine.field(client.api.inspect_container(container), "State", of=dict)
        pid = engine.field(state, "Pid", of=int)
        if not pid:
            return CompletedCommand(None, b"", b"", engine.death(client, container) or "no process runs")
        if (number := _number_here(pid, process)) and _is_visible(container, number):
            line = [sys.executable, "-I", "-S", "-c", program, f"/proc/{number}", *arguments]
            return run_here(line, deadline=deadline)
        return _look_from_container(
            client, run, container, [program, f"/proc/{process}", *arguments], deadline
        )
    except docker.errors.ImageNotFound:
        return CompletedCommand(None, b"", b"", engine.absent(SERVICES_IMAGE))
    except engine.LOST as error:
        return CompletedCommand(None, b"", b"", engine.reason(error))


def _number_here(first: int, process: int) -> int:
    """The id that a container's process has on this host, or 0. ``first`` is that of the container's first process."""
    if process == 1:
        return first
    try:
        space = Path(f"/proc/{first}/ns/pid").readlink()
    except OSError:
        return 0
    for directory in Path("/proc").glob("[1-9]*"):
        # Other processes end while this looks.
        with contextlib.suppress(OSError, ValueError):
            if (directory / "ns/pid").readlink() != space:
                continue
            status = (directory / "status").read_text("utf-8", "replace")
            numbers = next(line.split() for line in status.splitlines() if line.startswith("NSpid:"))
            if int(numbers[-1]) == process:
                return int(directory.name)
    return 0


def _is_visible(container: str, pid: int) -> bool:
    """Whether this host runs the process, and lets this user read it. The engine may run on another host."""
    directory = Path(f"/proc/{pid}")
    try:
        if container not in (directory / "cgroup").read_text("utf-8"):
            return False
        (directory / "environ").read_bytes()
        (directory / "root").stat()
    except OSError:
        return False
    return True


def _look_from_container(
    client: docker.DockerClient, run: RunLabels, container: str, arguments: Sequence[str], deadline: float
) -> CompletedCommand:
    """Run the program in the runner's PID namespace, as a user that may read everything and write nothing."""
    api = client.api
    created = api.create_container(
        SERVICES_IMAGE,
        entrypoint=["python3", "-I", "-S", "-c"],
        command=list(arguments),
        user="0",
        name=run.name(f"witness-{secrets.token_hex(4)}"),
        labels=run.labels,
        host_config=api.create_host_config(
            pid_mode=f"container:{container}",
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            cap_add=["SYS_PTRACE", "DAC_READ_SEARCH"],
            security_opt=["no-new-privileges"],
            pids_limit=20,
            mem_limit="256m",
        ),
    )
    witness = engine.field(created, "Id", of=str)
    try:
        api.start(witness)
        status = engine.field(dict(api.wait(witness, timeout=math.ceil(deadline))), "StatusCode", of=int)
        return CompletedCommand(status, api.logs(witness, stderr=False), api.logs(witness, stdout=False))
    except requests.exceptions.RequestException:
        return CompletedCommand(None, b"", b"", f"no exit within {deadline:.3g} s")
    finally:
        with contextlib.suppress(*engine.LOST):
            remove_container(client, witness)


def idle_archive(architecture: str) -> bytes | None:
    """A tar archive with a static program that does nothing but wait; None for an unknown architecture."""
    if architecture not in ("x86_64", "amd64"):
        return None
    # mov eax, 34 (pause); syscall; jmp to the beginning.
    code = bytes.fromhex("b822000000 0f05 ebf7")
    base, headers = 0x400000, 64 + 56
    size = headers + len(code)
    # An ELF file of one segment. Source: elf(5), Elf64_Ehdr and Elf64_Phdr.
    file_header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, base + headers, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return pack({IDLE.lstrip("/"): file_header + segment + code}, mode=0o755)
