"""Fetch one commit of a git repository, without a checkout: nothing of it can be executed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from urllib.parse import quote

from builder_contracts.contract.files import read_bytes
from builder_contracts.runner.process import run
from builder_contracts.sources.address import ContractSource, unavailable
from builder_contracts.sources.cache import Documents
from builder_contracts.sources.documents import MOST_COMPRESSED, MOST_EXPANDED, read_archive

DEADLINE = 300.0
"""Seconds for one command of git."""

# The repository is bare and new, and the user's configuration is not read: no hook, filter, submodule or helper is there
# to be started. These are for what git would do by itself.
_SETTINGS = {
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "protocol.ssh.allow": "always",
    "http.followRedirects": "false",
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "credential.helper": "",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "maintenance.auto": "false",
}
# Of the user's variables: whom to trust, and which key ssh takes.
_KEPT = ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT")
# The limit is of each file, in units of 512 bytes; a pack is one file, and so is the archive made of it.
_LIMITED = ("sh", "-c", 'ulimit -f "$1" && shift && exec git "$@"', "sh")
# SIGXFSZ, as Python and as a shell say it.
_TOO_LARGE = (-25, 153)


def fetch(source: ContractSource, commit: str) -> tuple[Documents, str]:
    """The documents at a commit, or at the reference of the source, and which commit it was. Raises InputError."""
    with tempfile.TemporaryDirectory(prefix="builder-contracts-") as folder:
        repository = _Repository(source, Path(folder))
        repository.git("init", "--quiet", "--bare", "--template=")
        repository.git(
            "fetch", "--quiet", "--depth=1", "--no-tags", "origin", commit or source.reference,
            limit=MOST_COMPRESSED,
        )  # fmt: skip
        commit = repository.git("rev-parse", "FETCH_HEAD^{commit}")
        repository.git("archive", "--format=tar", f"--output={folder}/tree.tar", commit)
        return read_archive(read_bytes(Path(folder, "tree.tar"), MOST_EXPANDED), source.address), commit


class _Repository:
    """An empty repository, and the one place from which it may fetch."""

    def __init__(self, source: ContractSource, folder: Path) -> None:
        self._source, self._folder = source, folder
        self._settings = {**_SETTINGS, "remote.origin.url": _url(source)}

    def git(self, *arguments: str, limit: int = MOST_EXPANDED) -> str:
        """What git prints. Raises SourceUnavailableError."""
        done = run(
            [*_LIMITED, str(limit // 512), f"--git-dir={self._folder}", *arguments],
            deadline=DEADLINE,
            environment=self._environment(),
        )
        if done.status == 0:
            return done.stdout.decode("utf-8", "replace").strip()
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = done.ended or next(
            (line for line in lines if line.startswith("fatal:")), "".join(lines[-1:])
        )
        fix = "check host, path and reference: a branch, a tag or a whole commit ID that the server gives out"
        if (
            any("signal 25" in line or "File too large" in line for line in lines)
            or done.status in _TOO_LARGE
        ):
            reason, fix = (
                f"larger than {limit:,} bytes",
                "use a smaller repository: one with the contracts alone",
            )
        elif done.status == 127:
            fix = "install git"
        raise unavailable(self._source.address, f"git {arguments[0]}: {reason}", fix)

    def _environment(self) -> dict[str, str]:
        env = {
            name: text for name, text in os.environ.items() if not name.startswith("GIT_") or name in _KEPT
        }
        env |= {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "GIT_CONFIG_COUNT": str(len(self._settings)),
            "LC_ALL": "C",
        }
        env.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
        # In variables, not in arguments: every user of a machine can read those, and the URL may have a password.
        for number, (name, text) in enumerate(self._settings.items()):
            env |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": text}
        return env


def _url(source: ContractSource) -> str:
    if not source.user:
        return source.url
    password = f":{quote(source.password, safe='')}" if source.password else ""
    return source.url.replace("://", f"://{quote(source.user, safe='')}{password}@", 1)
