"""A service that has become silent costs its experiment the time of one command, and the others nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from builder_contracts.facts.model import Unseen
from builder_contracts.prove import testbed
from builder_contracts.prove.endpoints import Endpoint
from builder_contracts.prove.job import ProofJob, StepFailed
from builder_contracts.prove.local_testbed import LocalTestbed
from builder_contracts.runner.protocol import MOST_OUTPUT, CompletedCommand, OutsideView
from builder_contracts.services.stack import ServiceDown
from tests.prove.conftest import machine_bench

SILENT = "nix-cache does not respond any more"


@dataclass
class Scripted:
    """A runner that counts its commands."""

    completed: CompletedCommand = field(default_factory=lambda: CompletedCommand(0, b"[]", b""))
    commands: list[list[str]] = field(default_factory=list)
    setting: OutsideView = field(default_factory=lambda: OutsideView(Unseen(""), Unseen(""), Unseen("")))

    def execute(
        self,
        arguments: Sequence[str],
        *,
        deadline: float,  # noqa: ARG002 # the protocol's
        last_line: bytes = b"",  # noqa: ARG002 # the same
    ) -> CompletedCommand:
        self.commands.append(list(arguments))
        return self.completed


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalTestbed:
    """A bench whose every command is slow, and whose cache is silent."""
    monkeypatch.setattr(testbed, "_SUSPICIOUS", 0.0)
    services = SimpleNamespace(
        silence=lambda name: SILENT if name == "nix-cache" else "", up=lambda _: None, log=lambda _: []
    )
    monkeypatch.setattr(LocalTestbed, "services", services)
    made = machine_bench(tmp_path)
    made.endpoints = {
        role: Endpoint(role, f"http://{role}", service)
        for role, service in (("nix", "nix-cache"), ("objects", "objects"))
    }
    return made


def test_nothing_is_tried_after_the_first_slow_command(bench: LocalTestbed) -> None:
    scripted = Scripted()
    job = bench.job_runner(scripted)
    with bench.relying_on("nix"):
        assert job.execute(["first"], deadline=60).status == 0
        assert job.execute(["second"], deadline=60) == CompletedCommand(None, b"", b"", SILENT)
        with pytest.raises(StepFailed, match=SILENT):
            bench.ask([])
    assert scripted.commands == [["first"]]
    with pytest.raises(ServiceDown, match=SILENT):
        bench.ready("nix")


@pytest.mark.parametrize(
    ("url", "reply", "seen"),
    [
        ("https://cache.example", ("LOST", "<urlopen error timed out>"), 1),
        ("https://cache.example", ("LOST", "certificate verify failed"), 2),
        ("https://cache.example", ("404", ""), 2),
        ("grpcs://cache.example", ("LOST", "timed out"), 2),
    ],
)
def test_deployed_service_that_times_out_is_tried_once(
    bench: LocalTestbed, monkeypatch: pytest.MonkeyPatch, url: str, reply: tuple[str, str], seen: int
) -> None:
    answer = json.dumps([{"status": reply[0], "detail": reply[1]}]).encode()
    monkeypatch.setattr(bench, "send", lambda *_, **__: CompletedCommand(0, answer, b""))
    bench.endpoints = {"nix": Endpoint("nix", url, "")}
    scripted = Scripted()
    job = bench.job_runner(scripted)
    with bench.relying_on("nix"):
        job.execute(["first"], deadline=60)
        job.execute(["second"], deadline=60)
    assert len(scripted.commands) == seen


@pytest.mark.parametrize("role", ["objects", ""])
def test_other_experiments_go_on(bench: LocalTestbed, role: str) -> None:
    scripted = Scripted()
    job = bench.job_runner(scripted)
    with bench.relying_on("nix"):
        job.execute(["first"], deadline=60)
    with bench.relying_on(role):
        job.execute(["second"], deadline=60)
        job.execute(["third"], deadline=60)
    job.execute(["fourth"], deadline=60)
    assert len(scripted.commands) == 4


def test_quick_command_asks_no_service(bench: LocalTestbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testbed, "_SUSPICIOUS", 10.0)
    scripted = Scripted()
    job = bench.job_runner(scripted)
    with bench.relying_on("nix"):
        for _ in range(3):
            job.execute(["quick"], deadline=60)
    assert len(scripted.commands) == 3
    bench.ready("nix")


def test_output_beyond_the_limit_is_lost_and_not_the_class() -> None:
    """A limit of ours says nothing about what it cut."""
    job = ProofJob(Scripted(CompletedCommand(0, bytes(1024), b"", cut=True)), "/work")
    with pytest.raises(StepFailed, match=f"more than the {MOST_OUTPUT} bytes") as failed:
        job.take(["out"])
    assert not failed.value.exited
