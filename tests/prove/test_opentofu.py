"""OpenTofu's own lock on a state, in S3 and over HTTP: what the proofs of states say is what OpenTofu meets there."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder_contracts.prove.local_testbed import LocalTestbed
from builder_contracts.prove.state import experiment as state
from builder_contracts.prove.state.judge import judge
from builder_contracts.verdict import Outcome
from tests.prove.conftest import GIVEN, GRANTS_EVERY_LOCK, Worlds, rewritten
from tests.prove.gitlab_states import gitlab_states
from tests.prove.own_store import BUCKET, ask_store, own_store
from tests.prove.server_program import server_program

# Its program takes many minutes to build.
pytestmark = pytest.mark.long

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

"""
# Holds the state for as long as nobody writes the second file.
HOLDER = """
resource "terraform_data" "holder" {
  provisioner "local-exec" {
    command = "touch held; until [ -e released ]; do sleep 0.1; done"
  }
}
"""
HTTP_STACK = """\
terraform {{
  backend "http" {{
    address   = "{url}/stack"
    retry_max = 0
    {lock}
  }}
}}
"""
HTTP_LOCK = """
    lock_address   = "{url}/stack/lock"
    lock_method    = "POST"
    unlock_address = "{url}/stack/lock"
    unlock_method  = "DELETE"
"""
WITHIN = 120


class Stack:
    """One checkout of a stack with this configuration; ``credentials`` are variables of its backend."""

    def __init__(self, folder: Path, text: str, credentials: Mapping[str, str]) -> None:
        self.folder, self.program = folder, server_program("opentofu")
        folder.mkdir()
        (folder / "main.tf").write_text(text + HOLDER, "utf-8")
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "CHECKPOINT_DISABLE": "1",
            **credentials,
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


def s3_stack(testbed: LocalTestbed, folder: Path, *, locks: bool = True) -> Stack:
    url = testbed.endpoints["objects"].url
    text = STACK.format(bucket=BUCKET, key=KEY, url=url, locks=str(locks).lower())
    writer = testbed.identity("objects", "writer")
    return Stack(folder, text, {"AWS_ACCESS_KEY_ID": writer.name, "AWS_SECRET_ACCESS_KEY": writer.secret})


def http_stack(url: str, folder: Path, *, locks: bool = True) -> Stack:
    text = HTTP_STACK.format(url=url, lock=HTTP_LOCK.format(url=url) if locks else "")
    return Stack(
        folder, text, {"TF_HTTP_USERNAME": GIVEN.writer.name, "TF_HTTP_PASSWORD": GIVEN.writer.secret}
    )


@pytest.mark.docker
def test_second_holder_is_rejected_by_a_good_store(worlds: Worlds, tmp_path: Path) -> None:
    assert worlds.folder == tmp_path
    lock = f"{KEY}.tflock"
    with own_store(tmp_path) as testbed:
        record = state.prove(testbed)
        assert all(judge(show, record)[0].outcome is Outcome.KEPT for show in ("second-lock", "race"))
        first, second = s3_stack(testbed, tmp_path / "first"), s3_stack(testbed, tmp_path / "second")
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


@pytest.mark.docker
def test_without_a_lock_file_nobody_is_rejected(worlds: Worlds, tmp_path: Path) -> None:
    assert worlds.folder == tmp_path
    with own_store(tmp_path) as testbed:
        first, second = (
            s3_stack(testbed, tmp_path / "first"),
            s3_stack(testbed, tmp_path / "second", locks=False),
        )
        with first.holding():
            assert second.run("plan", "-no-color").returncode == 0


@pytest.mark.docker
def test_store_that_grants_every_lock_lets_both_in(worlds: Worlds, tmp_path: Path) -> None:
    """The lock taken away on the server: the clauses are broken, and OpenTofu has two holders."""
    assert worlds.folder == tmp_path
    spec = rewritten("objects", GRANTS_EVERY_LOCK)
    with own_store(tmp_path, spec) as testbed:
        record = state.prove(testbed)
        assert {show for show in ("second-lock", "race") if judge(show, record)[0].outcome is Outcome.BROKEN} == {
            "second-lock", "race",
        }  # fmt: skip
        first, second = s3_stack(testbed, tmp_path / "first"), s3_stack(testbed, tmp_path / "second")
        with first.holding(), second.holding():
            pass


def test_second_holder_over_http_is_rejected(tmp_path: Path) -> None:
    with gitlab_states(GIVEN) as (url, server, requests):
        first, second = http_stack(url, tmp_path / "first"), http_stack(url, tmp_path / "second")
        with first.holding():
            rejected = second.run("plan", "-no-color")
            assert rejected.returncode == 1
            assert "Error acquiring the state lock" in rejected.stdout
            held = server.states["stack"].lock
            assert held is not None
            # The message has what force-unlock needs.
            assert held["ID"] in rejected.stdout
        assert server.states["stack"].lock is None
        assert second.run("plan", "-no-color").returncode == 0
    lock = [(request.method, request.path.partition("/state/")[2]) for request in requests.requests]
    assert {("POST", "stack/lock"), ("DELETE", "stack/lock")} <= set(lock)


def test_holder_whose_lock_was_released_by_force_cannot_write(tmp_path: Path) -> None:
    with gitlab_states(GIVEN) as (url, server, _):
        first, second = http_stack(url, tmp_path / "first"), http_stack(url, tmp_path / "second")
        with first.holding():
            held = server.states["stack"].lock
            assert held is not None
            assert second.run("force-unlock", "-force", "-no-color", held["ID"]).returncode == 0
            stored = dict(server.states["stack"].versions)
        assert server.states["stack"].versions == stored
        assert "Error" in (first.folder / "log").read_text("utf-8")


def test_without_a_lock_over_http_both_hold_the_state(tmp_path: Path) -> None:
    """The lock taken away, on the server and in the configuration."""
    with gitlab_states(GIVEN, "lock") as (url, _, _):
        first, second = http_stack(url, tmp_path / "first"), http_stack(url, tmp_path / "second")
        with first.holding():
            assert second.run("plan", "-no-color").returncode == 0
    with gitlab_states(GIVEN) as (url, _, _):
        first = http_stack(url, tmp_path / "third")
        with first.holding():
            assert http_stack(url, tmp_path / "fourth", locks=False).run("plan", "-no-color").returncode == 0
