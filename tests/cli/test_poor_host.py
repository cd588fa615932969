"""--runner local on hosts that lack what a harness likes to have: verdicts, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# A few questions and a build of its own, neither of which depends on what this machine has installed.
CONTRACT = Path(__file__).parent / "poor_host" / "contracts" / "poor-host.yaml"
ROOT_NEEDED = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it mounts in its own namespace")


def check(folder: Path, prepare: str) -> subprocess.CompletedProcess[str]:
    """A check of this host, after a shell has changed its mounts for this process alone."""
    line = [sys.executable, "-m", "builder_contracts", "check", str(CONTRACT)]
    line += ["-k", "identity/shell or canaries/*", "--runner", "local", "--verbose"]
    return subprocess.run(
        ["/usr/bin/unshare", "-m", "/bin/sh", "-c", f'{prepare}; exec "$@"', "sh", *line],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


NO_PLACE = "1 kept (1 declared)   0 broken   3 unproven"
ALL_KEPT = "4 kept (4 declared)   0 broken   0 unproven"


@ROOT_NEEDED
@pytest.mark.parametrize(
    ("prepare", "counts"),
    [
        ("mount --bind / / && mount -o remount,ro,bind / && cd /", NO_PLACE),
        ("mount -t tmpfs -o size=8k none /tmp && head -c 9000 /dev/zero >/tmp/full 2>/dev/null", ALL_KEPT),
        ("mount -t tmpfs -o ro none /tmp && export TMPDIR=/nonexistent", ALL_KEPT),
        ("mkdir gone && cd gone && rmdir ../gone", ALL_KEPT),
    ],
    ids=["read-only root", "full disk", "no /tmp", "no working directory"],
)
def test_poor_host_gets_verdicts(tmp_path: Path, prepare: str, counts: str) -> None:
    completed = check(tmp_path, prepare)

    assert "Traceback" not in completed.stderr + completed.stdout
    assert "KEPT      poor-host/identity/shell" in completed.stdout
    assert f"poor-host     {counts}" in completed.stdout, completed.stderr
    # A build takes the next folder that can be written to, and there may be none.
    assert ("no temporary directory can be written to" in completed.stdout) == (counts == NO_PLACE)
