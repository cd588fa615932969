"""--runner local on hosts that lack what a harness likes to have: verdicts, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONTRACT = Path(__file__).parents[2] / "contracts" / "tinyland-nix.yaml"
CLAUSES = "identity/shell or canaries/*"
ROOT_NEEDED = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it mounts in its own namespace")


def check(folder: Path, prepare: str) -> subprocess.CompletedProcess[str]:
    """A check of this host, after a shell has changed its mounts for this process alone."""
    line = [sys.executable, "-m", "builder_contracts", "check", str(CONTRACT), "-k", CLAUSES]
    line += ["--runner", "local", "--verbose"]
    return subprocess.run(
        ["/usr/bin/unshare", "-m", "/bin/sh", "-c", f'{prepare}; exec "$@"', "sh", *line],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


@ROOT_NEEDED
@pytest.mark.parametrize(
    "prepare",
    [
        "mount --bind / / && mount -o remount,ro,bind / && cd /",
        "mount -t tmpfs -o size=8k none /tmp && head -c 9000 /dev/zero >/tmp/full 2>/dev/null",
        "mount -t tmpfs -o ro none /tmp && export TMPDIR=/nonexistent",
        "mkdir gone && cd gone && rmdir ../gone",
    ],
    ids=["read-only root", "full disk", "no /tmp", "no working directory"],
)
def test_poor_host_gets_verdicts(tmp_path: Path, prepare: str) -> None:
    completed = check(tmp_path, prepare)

    assert "Traceback" not in completed.stderr + completed.stdout
    assert "KEPT      tinyland-nix/identity/shell" in completed.stdout
    # The canary needs a disk, and is broken or unproven without.
    assert completed.returncode in (0, 1, 2), completed.stderr
