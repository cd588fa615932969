"""A real sshd on the loopback, with keys of the test, and an ssh that knows it.

ssh finds its files by the home of its user, so the ssh that comes first on PATH is told others.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
# script/test unpacks it there: installed, it would listen on the network.
_UNPACKED = _ROOT / ".venv" / "openssh-server"
USER = "contracts"
_STARTS_WITHIN = 20


@dataclass
class SshServer:
    """``folder`` holds the key of the login, and ``home``, where its user may write."""

    folder: Path
    port: int
    user: str

    @property
    def url(self) -> str:
        return f"ssh://{self.user}@127.0.0.1:{self.port}"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def key(self) -> Path:
        return self.folder / "key"


@contextlib.contextmanager
def running(folder: Path) -> Iterator[SshServer]:
    sshd = shutil.which("sshd", path=f"/usr/sbin:{_UNPACKED}/usr/sbin")
    keygen = shutil.which("ssh-keygen")
    if sshd is None or keygen is None:
        pytest.skip("needs ssh and sshd: script/test --yes gets them")
    (folder / "home").mkdir()
    for name in ("key", "host_key"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / name], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = SshServer(folder, free.getsockname()[1], USER if os.geteuid() == 0 else getpass.getuser())
    host_key = (folder / "host_key.pub").read_text("utf-8")
    server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {host_key}", "utf-8")
    (folder / "authorized_keys").write_text((folder / "key.pub").read_text("utf-8"), "utf-8")
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{server.port}\nHostKey {folder}/host_key\nPidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nPasswordAuthentication no\nUsePAM no\nUseDNS no\n",
        "utf-8",
    )
    line = shlex.join([sshd, "-D", "-e", "-f", f"{folder}/sshd_config"])
    libraries = os.pathsep.join(map(str, sorted(_UNPACKED.glob("usr/lib/*-linux-gnu"))))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            _with_user(folder, line) if os.geteuid() == 0 else ["sh", "-c", f"exec {line}"],
            env={**os.environ, "LD_LIBRARY_PATH": libraries},
            stderr=log,
        )
    try:
        _wait(process, server)
        yield server
    finally:
        process.terminate()
        process.wait()


def _with_user(folder: Path, line: str) -> list[str]:
    """The server in a mount namespace that has its own users, where root may not log in as itself."""
    folder.chmod(0o755)
    shutil.chown(folder / "home", 61000, 61000)
    users = [
        f"{USER}:x:61000:61000::{folder}/home:/bin/sh",
        "sshd:x:61001:65534::/run/sshd:/usr/sbin/nologin",
    ]
    known = Path("/etc/passwd").read_text("utf-8")
    (folder / "passwd").write_text(known + "".join(f"{user}\n" for user in users), "utf-8")
    setup = f"mount --bind {folder}/passwd /etc/passwd && mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec {line}"
    return ["unshare", "--mount", "sh", "-c", setup]


def _wait(process: subprocess.Popen[bytes], server: SshServer) -> None:
    until = time.monotonic() + _STARTS_WITHIN
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > until:
            pytest.fail(f"sshd did not start: {(server.folder / 'log').read_text('utf-8')}")
        time.sleep(0.02)


def use(server: SshServer, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: str) -> None:
    """Put an ssh first on PATH that knows this server and has its key, with further options of ssh."""
    settings = {
        "UserKnownHostsFile": server.known_hosts,
        "GlobalKnownHostsFile": "/dev/null",
        "IdentityFile": server.key,
        "IdentitiesOnly": "yes",
    } | options
    (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()), "utf-8")
    program = folder / "ssh"
    program.write_text(
        f'#!/bin/sh\nexec {shlex.quote(shutil.which("ssh") or "")} -F {folder}/config "$@"\n', "utf-8"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
