"""What proofs on a machine leave there: nothing, however they ended."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.errors import BuilderContractsError
from builder_contracts.prove.backends import ProofBackend
from builder_contracts.run.prover import Prover, ProverOptions
from builder_contracts.runner.local import scratch_folder
from builder_contracts.verdict import Outcome

CONTRACT = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: mine, summary: Builds what is mine and nothing else, owner: me}
labels: [mine]
image: {reference: mine}
identity: {user: me, uid: 1001}
canaries:
  slow: [builds]
"""
CANARY = """\
apiVersion: builder-contracts/v1
kind: Canary
metadata: {name: slow, summary: Builds until somebody comes}
tool: make
builders: [mine]
inputs: [nonce, build.sh]
nonce: nonce
command: [sh, build.sh]
artifacts: [out]
budget: {seconds: 300}
"""
# A build that has gone into the background of its own session, as build servers do, and writes where nobody may.
BUILD = (
    'mkdir locked; echo 1 >locked/file; chmod 0500 locked; setsid sleep 321 & echo >"$STARTED"; sleep 321\n'
)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("RUNNER_TEMP", str(folder))
    return folder


def alive(process: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    return False


def sleeping(folder: Path) -> list[str]:
    """Processes of builds whose home was in the folder."""
    return [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/environ")
        if str(folder).encode() in _read(path)
    ]


def _read(path: Path) -> bytes:
    with contextlib.suppress(OSError):
        if b"sleep" in (path.parent / "cmdline").read_bytes():
            return path.read_bytes()
    return b""


def canary(folder: Path, build: str) -> None:
    """A class with one canary, which is built by that script."""
    for name, text in (
        ("contracts/mine.yaml", CONTRACT), ("canaries/slow/canary.yaml", CANARY),
        ("canaries/slow/build.sh", build), ("canaries/slow/nonce", ""),
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


@pytest.fixture
def started(tmp_path: Path, temporary: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The true command line in the middle of a build."""
    canary(tmp_path, BUILD)
    mark = tmp_path / "started"
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from builder_contracts.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", program, "check", "--runner", "local", "-k", "slow", "contracts"],
        cwd=tmp_path, env={**os.environ, "STARTED": str(mark)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    with process:
        patience = time.monotonic() + 60
        while (
            not (mark.exists() and len(sleeping(temporary)) == 2)
            and process.poll() is None
            and time.monotonic() < patience
        ):
            time.sleep(0.02)
        assert mark.exists(), process.communicate()[0]
        assert [path.name for path in temporary.iterdir()], "the run has no folder"
        yield process
        process.kill()


def test_interrupt_removes_folders_and_processes(started: subprocess.Popen[bytes], temporary: Path) -> None:
    assert sleeping(temporary)
    started.send_signal(signal.SIGINT)
    text = started.communicate(timeout=60)[0].decode()
    assert "Traceback" not in text
    assert list(temporary.iterdir()) == []
    assert sleeping(temporary) == []


def test_sweep_removes_what_a_killed_run_left(started: subprocess.Popen[bytes], temporary: Path) -> None:
    assert scratch_folder.sweep() == [], "a run that lives was taken for a dead one"
    started.kill()
    started.wait(timeout=30)
    (leftover,) = temporary.iterdir()
    assert sleeping(temporary)
    assert scratch_folder.sweep() == [leftover]
    assert list(temporary.iterdir()) == []
    assert sleeping(temporary) == []


def test_sweep_leaves_a_young_folder(temporary: Path) -> None:
    young = temporary / f"{scratch_folder.PREFIX}young"
    old = temporary / f"{scratch_folder.PREFIX}old"
    for folder in (young, old):
        folder.mkdir()
    os.utime(old, (0, 0))
    assert scratch_folder.sweep() == [old]
    assert list(temporary.iterdir()) == [young]


def test_sweep_removes_nothing_behind_a_link(temporary: Path, tmp_path: Path) -> None:
    own = tmp_path / "mine"
    (own / "kept").mkdir(parents=True)
    os.utime(own, (0, 0))
    (temporary / f"{scratch_folder.PREFIX}link").symlink_to(own)
    created = scratch_folder.make()
    (created / "link").symlink_to(own)
    (own / "kept").chmod(0o500)
    assert scratch_folder.sweep() == []
    scratch_folder.clear(created)
    assert (own / "kept").stat().st_mode & 0o777 == 0o500


def test_unusable_work_directory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNNER_TEMP", str(tmp_path / "nowhere"))
    with pytest.raises(BuilderContractsError, match="set RUNNER_TEMP or TMPDIR"):
        scratch_folder.make()


def test_session_closed_early_makes_no_folder(temporary: Path) -> None:
    session = Prover(ProverOptions(runner="local"))
    session.close()
    with pytest.raises(BuilderContractsError, match="the run was stopped"):
        session.place()
    assert list(temporary.iterdir()) == []


def test_secrets_of_unused_environments_are_hidden_from_jobs(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary(tmp_path, 'test -z "${THEIR_WRITER:-}" && test -n "$SHOWN" && echo "$SHOWN" >out\n')
    monkeypatch.setenv("THEIR_WRITER", "tom:s3cr3tword")
    monkeypatch.setenv("SHOWN", "shown")
    contract = load(tmp_path / "contracts/mine.yaml")
    clauses = [clause for clause in contract.clauses if clause.kind == "canaries"]
    session = Prover(ProverOptions(runner="local", hidden=frozenset({"THEIR_WRITER"})))
    try:
        (verdict,) = [session.verdict(clause, contract, clauses) for clause in clauses]
    finally:
        session.close()
    assert verdict.outcome is Outcome.KEPT, verdict
    assert list(temporary.iterdir()) == []


def test_failed_backend_is_tried_once_for_all_classes(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[ProverOptions] = []

    def hang(options: ProverOptions) -> ProofBackend:
        calls.append(options)
        raise BuilderContractsError("no Docker Engine answers")

    monkeypatch.setattr("builder_contracts.run.prover.PLACES", {"docker": hang})
    canary(tmp_path, "")
    contract = load(tmp_path / "contracts/mine.yaml")
    other = dataclasses.replace(contract, name="other")
    clauses = [clause for clause in contract.clauses if clause.kind == "canaries"]
    session = Prover(ProverOptions())
    try:
        observed = {
            session.verdict(clauses[0], candidate, clauses).observation for candidate in (contract, other)
        }
    finally:
        session.close()
    assert observed == {"no Docker Engine answers"}
    assert len(calls) == 1


def test_host_without_temporary_directory_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.delenv("RUNNER_TEMP", raising=False)
    monkeypatch.setattr("tempfile.gettempdir", none)

    for use in (scratch_folder.sweep, scratch_folder.make):
        with pytest.raises(BuilderContractsError, match="no temporary directory can be written to"):
            use()
