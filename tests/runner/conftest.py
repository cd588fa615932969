"""One sshd for the tests of a process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runner.ssh_server import SshServer, running


@pytest.fixture(scope="session")
def ssh_server() -> Iterator[SshServer]:
    # pytest's own folders are closed to other users.
    with tempfile.TemporaryDirectory(prefix="sshd-") as folder, running(Path(folder)) as server:
        yield server
