"""OpenTofu's own lock on a state in S3: what the proof of a state store says is what OpenTofu meets there."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder_contracts.prove.local_testbed import LocalTestbed
from builder_contracts.prove.state import experiment as state
from builder_contracts.prove.state.judge import judge
from builder_contracts.verdict import Outcome
from tests.prove.conftest import GRANTS_EVERY_LOCK, Worlds, rewritten
from tests.prove.own_store import BUCKET, ask_store, own_store
from tests.prove.server_program import server_program

# Its program takes many minutes to build.
pytestmark = [pytest.mark.docker, pytest.mark.long]

KEY = "stack/state"
STACK = """\
terraform {{
  backend "s3" {{
    bucket       = "{bucket}"
    key          = "{key}"
    region       = "us-east-1"
    use_lockfile = {locks}

    endpoints                   = {{ s3 = "{url}" }}
    use_path_style              = true
    skip_credentials_validation = true
    skip_requesting_account_id  = true
    skip_metadata_api_check     = true
    skip_region_validation      = true
  }}
}}

# Holds the state for as long as nobody writes the second file.
resource "terraform_data" "holder" {{
  provisioner "local-exec" {{
    command = "touch held; until [ -e released ]; do sleep 0.1; done"
  }}
}}
"""
WITHIN = 120


class Stack:
    """One checkout of a stack whose state is in the store."""

    def __init__(self, testbed: LocalTestbed, folder: Path, *, locks: bool = True) -> None:
        self.folder, self.program = folder, server_program("opentofu")
        folder.mkdir()
        url = testbed.endpoints["objects"].url
        text = STACK.format(bucket=BUCKET, key=KEY, url=url, locks=str(locks).lower())
        (folder / "main.tf").write_text(text, "utf-8")
        writer = testbed.identity("objects", "writer")
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "AWS_ACCESS_KEY_ID": writer.name,
            "AWS_SECRET_ACCESS_KEY": writer.secret,
            "CHECKPOINT_DISABLE": "1",
        }
        initialized = self.run("init", "-no-color")
        assert initialized.returncode == 0, initialized.stdout

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments], cwd=self.folder, env=self.environment, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=WITHIN,
        )  # fmt: skip

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Applies, and holds the lock until the context ends."""
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [self.program, "apply", "-auto-approve", "-no-color"],
                cwd=self.folder, env=self.environment, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            patience = time.monotonic() + WITHIN
            while not (self.folder / "held").exists():
                assert process.poll() is None, (self.folder / "log").read_text("utf-8")
                assert time.monotonic() < patience
                time.sleep(0.05)
            yield
        finally:
            (self.folder / "released").touch()
            process.wait(timeout=WITHIN)


def test_second_holder_is_rejected_by_a_good_store(worlds: Worlds, tmp_path: Path) -> None:
    assert worlds.folder == tmp_path
    lock = f"{KEY}.tflock"
    with own_store(tmp_path) as testbed:
        record = state.prove(testbed)
        assert all(judge(show, record)[0].outcome is Outcome.KEPT for show in ("second-lock", "race"))
        first, second = Stack(testbed, tmp_path / "first"), Stack(testbed, tmp_path / "second")
        with first.holding():
            rejected = second.run("plan", "-no-color")
            assert rejected.returncode == 1
            assert "Error acquiring the state lock" in rejected.stdout
            # The object that the proof locks and releases as others is the one that OpenTofu makes.
            assert ask_store(testbed, "get_object", Key=lock)["status"] == "OK"
            taken = ask_store(testbed, "put_object", identity="reader", Key=lock, Body="", IfNoneMatch="*")
            assert taken["status"] == "AccessDenied"
            assert (
                ask_store(testbed, "delete_object", identity="reader", Key=lock)["status"] == "AccessDenied"
            )
        assert ask_store(testbed, "get_object", Key=lock)["status"] == "NoSuchKey"
        assert second.run("plan", "-no-color").returncode == 0


def test_without_a_lock_file_nobody_is_rejected(worlds: Worlds, tmp_path: Path) -> None:
    assert worlds.folder == tmp_path
    with own_store(tmp_path) as testbed:
        first, second = Stack(testbed, tmp_path / "first"), Stack(testbed, tmp_path / "second", locks=False)
        with first.holding():
            assert second.run("plan", "-no-color").returncode == 0


def test_store_that_grants_every_lock_lets_both_in(worlds: Worlds, tmp_path: Path) -> None:
    """The lock taken away on the server: the clauses are broken, and OpenTofu has two holders."""
    assert worlds.folder == tmp_path
    spec = rewritten("objects", GRANTS_EVERY_LOCK)
    with own_store(tmp_path, spec) as testbed:
        record = state.prove(testbed)
        assert {show for show in ("second-lock", "race") if judge(show, record)[0].outcome is Outcome.BROKEN} == {
            "second-lock", "race",
        }  # fmt: skip
        first, second = Stack(testbed, tmp_path / "first"), Stack(testbed, tmp_path / "second")
        with first.holding(), second.holding():
            pass
