"""One observation of one runner, with the machine itself and with runners that fail in every way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.contract.model import Contract
from builder_contracts.facts.model import (
    ConnectionFacts,
    DaemonFacts,
    Facts,
    ForbiddenHostFacts,
    StartFacts,
    ToolFacts,
    Unseen,
    WorkFacts,
)
from builder_contracts.judge import find
from builder_contracts.observe import observation
from builder_contracts.observe.inside import questions as probe_questions
from builder_contracts.observe.observation import ONLY_INSIDE, gather
from builder_contracts.runner.local.runner import local_runner
from builder_contracts.runner.protocol import CompletedCommand, OutsideView, StandIn, UnavailableRunner
from builder_contracts.verdict import Outcome
from tests.unit.judge.observed import IMAGE, RUNNER

BODY = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: sample, summary: A class for the tests, owner: platform}
labels: [sample]
image: {reference: sample}
identity: {shell: /bin/sh}
toolchain: {sh: present, no-such-tool: absent}
filesystem: {/: present}
isolation: {docker_daemon: absent}
network: {resolve: [a.example, localhost], reach: ["a.example:80"], deny: [metadata]}
"""


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    path = tmp_path / "sample.yaml"
    path.write_text(BODY)
    return load(path)


SETTING = OutsideView(RUNNER, IMAGE, StartFacts(exists=True, started=True), privileged=False)


WHOLE = CompletedCommand(0, b'["end","","complete"]', b"")


@dataclass
class Scripted:
    """A runner at the edge of the protocol: it answers what a test says, and keeps what it was asked."""

    setting: OutsideView = SETTING
    completed: CompletedCommand = WHOLE
    asked: list[Sequence[str]] = field(default_factory=list)

    def execute(
        self, arguments: Sequence[str], *, deadline: float, last_line: bytes = b""
    ) -> CompletedCommand:
        assert deadline > 0
        self.asked.append(arguments)
        # Shells of steps have no answers in the probe's form.
        nonce = arguments[4].encode()
        assert last_line.startswith(nonce) or arguments[3] != "builder-contracts-probe"
        lines = (b"%b %b" % (nonce, line) for line in self.completed.stdout.split(b"\n"))
        return replace(self.completed, stdout=b"\n".join(lines))


def test_this_host_is_observed_in_one_pass(contract: Contract) -> None:
    facts = gather(contract, local_runner(), forbidden={})
    assert facts.tools["sh"] == ToolFacts(
        str(facts.tools["sh"].path) if isinstance(facts.tools["sh"], ToolFacts) else "",
        Unseen("its version was not observed"),
        Unseen("its version was not observed"),
        WorkFacts(1, 0, "42 {nonce}"),
    )
    assert facts.tools["no-such-tool"] == ToolFacts(None)
    assert isinstance(facts.env, dict)
    assert isinstance(facts.image, Unseen)
    assert not facts.image.provable_here
    assert facts.seconds > 0
    assert datetime.fromisoformat(facts.taken).utcoffset() is not None
    assert facts.taken.endswith("Z")


def test_this_host_is_observed_by_two_witnesses(contract: Contract) -> None:
    facts = gather(contract, local_runner(), forbidden={})

    outside = facts.outside
    assert isinstance(outside, Facts)
    assert outside.identity == facts.identity
    assert outside.path == facts.path
    assert outside.resources.cpu == facts.resources.cpu
    assert outside.resources.memory == facts.resources.memory
    assert outside.isolation.bounding == facts.isolation.bounding
    assert outside.tools["no-such-tool"] == ToolFacts(None)
    assert outside.network.resolve["localhost"] == ONLY_INSIDE
    assert isinstance(outside.kernel.mounts, dict)


def test_variable_no_shell_can_name_is_observed(contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("with-a.dot", "seen")

    facts = gather(contract, local_runner(), forbidden={})

    assert isinstance(facts.env, dict)
    assert facts.env["with-a.dot"] == "seen"


def test_failed_outside_witness_leaves_the_probe_alone(contract: Contract) -> None:
    def look(*_: object) -> CompletedCommand:
        return CompletedCommand(1, b"", b"cannot read /proc/1: Permission denied")

    output = b'["tools","sh",{"path":"/bin/sh"}]\n["end","","complete"]'
    facts = gather(
        contract, Scripted(replace(SETTING, look=look), CompletedCommand(0, output, b"")), forbidden={}
    )

    assert isinstance(facts.tools["sh"], ToolFacts)
    assert isinstance(facts.outside, Facts)
    assert isinstance(facts.outside.identity, Unseen)
    assert "cannot read /proc/1: Permission denied" in facts.outside.identity.reason


def test_contract_beyond_one_argument_list_is_split(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    tools = "".join(f"  tool-{number}-{'x' * 80}: absent\n" for number in range(1500))
    path.write_text(BODY.replace("toolchain: {sh: present, no-such-tool: absent}\n", f"toolchain:\n{tools}"))
    facts = gather(load(path), local_runner(), forbidden={})
    unseen = [fact for fact in facts.tools.values() if isinstance(fact, Unseen)]
    assert unseen == []
    assert len(facts.tools) == 1500


@dataclass
class Slow(Scripted):
    """A runner whose probes take longer than their deadline, answering all the time."""

    clock: list[float] = field(default_factory=lambda: [0.0])
    granted: list[float] = field(default_factory=list)

    def execute(
        self, arguments: Sequence[str], *, deadline: float, last_line: bytes = b""
    ) -> CompletedCommand:
        if last_line:
            self.granted.append(deadline)
            self.clock[0] += 14
        return super().execute(arguments, deadline=deadline, last_line=last_line)


def test_a_slow_batch_takes_no_time_from_the_next(
    contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Slow()
    monkeypatch.setattr(probe_questions, "MAX_QUESTION_BYTES", 120)
    monkeypatch.setattr(observation, "time", SimpleNamespace(monotonic=lambda: runner.clock[0]))
    gather(contract, runner, forbidden={}, deadline=10)
    assert runner.granted[:3] == [10, 10, 2]


@pytest.mark.parametrize(
    ("completed", "reason"),
    [
        (
            CompletedCommand(None, b"", b"", "container exited with status 137"),
            "container exited with status 137",
        ),
        (CompletedCommand(None, b"", b"", "no exit within 5 s"), "no exit within 5 s"),
        (CompletedCommand(127, b"", b"sh: not found"), "probe exited with status 127: sh: not found"),
        (CompletedCommand(2, b"syntax\xff", b""), "syntax\ufffd"),
        (CompletedCommand(0, b"", b""), "the observation ended early"),
        (CompletedCommand(0, b"\xff\x00nonsense\n[[[", b""), "the observation ended early"),
    ],
)
def test_lost_runner_gives_every_fact_its_reason(
    contract: Contract, completed: CompletedCommand, reason: str
) -> None:
    facts = gather(contract, Scripted(completed=completed), forbidden={})
    for fact in (facts.identity, facts.env, facts.path, facts.tools["sh"], facts.paths["/"], facts.daemon):
        assert isinstance(fact, Unseen)
        assert reason in fact.reason


def test_answers_before_the_deadline_count(contract: Contract) -> None:
    output = json.dumps(["tools", "sh", {"path": "/bin/sh"}]).encode() + b'\n["paths","/'
    facts = gather(
        contract, Scripted(completed=CompletedCommand(None, output, b"", "no exit within 5 s")), forbidden={}
    )
    assert isinstance(facts.tools["sh"], ToolFacts)
    assert isinstance(facts.paths["/"], Unseen)


def test_runner_that_did_not_start_is_not_probed(contract: Contract) -> None:
    runner = Scripted(
        setting=replace(SETTING, start=StartFacts(exists=True, started=False, output="no shell"))
    )
    facts = gather(contract, runner, forbidden={})
    assert runner.asked == []
    assert facts.tools["sh"] == Unseen("runner did not start: no shell")
    assert isinstance(facts.start, StartFacts)


def test_missing_runner_gives_every_fact_one_reason(contract: Contract) -> None:
    facts = gather(contract, UnavailableRunner("cannot reach a Docker Engine"), forbidden={})
    for fact in (facts.runner, facts.image, facts.start, facts.identity, facts.tools["sh"]):
        assert fact == Unseen("cannot reach a Docker Engine")


STAND_IN = StandIn("169.254.169.254", 80, ConnectionFacts("connected", "a neighbour reads it"))


def questions(runner: Scripted) -> list[str]:
    return [word for arguments in runner.asked for word in arguments[5:]]


def test_stand_in_is_tried_on_internal_network(contract: Contract) -> None:
    runner = Scripted()
    facts = gather(contract, runner, forbidden={"metadata": STAND_IN})
    assert sum("169.254.169.254" in question for question in questions(runner)) == 2
    forbidden = facts.network.forbidden["metadata"]
    assert isinstance(forbidden, ForbiddenHostFacts)
    assert forbidden.control == STAND_IN.control
    assert len(forbidden.attempts) == 5


def test_forbidden_address_is_not_tried_on_routed_network(contract: Contract) -> None:
    runner = Scripted()
    gather(contract, runner, forbidden={"metadata": STAND_IN}, may_try=False)
    assert not any("forbidden" in question for question in questions(runner))


def test_forbidden_host_without_stand_in_is_never_tried(contract: Contract) -> None:
    runner = Scripted()
    facts: Facts = gather(contract, runner, forbidden={})
    assert not any("forbidden" in question for question in questions(runner))
    fact = facts.network.forbidden["metadata"]
    assert isinstance(fact, Unseen)
    assert not fact.provable_here


def test_host_that_did_not_start_is_unseen_not_unreachable(contract: Contract) -> None:
    output = b'["resolve","a.example",[]]\n["resolve","localhost",["::1"]]\n["end","","complete"]'
    facts = gather(
        contract,
        Scripted(completed=CompletedCommand(0, output, b"")),
        forbidden={},
        unreachable_hosts={"a.example": Unseen("the services image is not there")},
    )
    assert facts.network.resolve["a.example"] == Unseen("the services image is not there")
    assert facts.network.connect["a.example:80"] == Unseen("the services image is not there")
    assert facts.network.resolve["localhost"] == ["::1"]


def test_daemon_that_failed_to_start_has_its_log(contract: Contract) -> None:
    output = b'["daemon","",{"reachable":false,"how":"no socket responds"}]\n["end","","complete"]'
    setting = replace(SETTING, daemon_failure="end of its log: boom")
    facts = gather(contract, Scripted(setting, CompletedCommand(0, output, b"")), forbidden={})
    assert isinstance(facts.daemon, DaemonFacts)
    assert facts.daemon.failure == "end of its log: boom"


EVERY_NUMBER = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: sample, summary: A class for the tests, owner: platform}
labels: [sample]
image: {reference: sample}
identity: {uid: 1001}
toolchain: {sh: present, git: {version: ">=2"}}
filesystem: {/: {mode: "0755", free: 1Mi}}
isolation: {capabilities: {forbid: [ALL]}, no_new_privileges: true, seccomp: filtered}
resources: {cpu: {limit: "2", request: 500m}, memory: {limit: 8Gi, request: 1Gi}, pids: {limit: 4096}}
"""
SOUND_LINES: list[list[Any]] = [
    ["identity", "", {"uid": 1001, "gid": 1001, "user": "x", "home": "/", "home_exists": True, "home_writable": True}],
    ["tools", "sh", {"path": "/bin/sh"}],
    ["tools", "git", {"path": "/bin/git", "status": 0, "output": "git version 2.51.0"}],
    ["work", "sh", {"nonce": "10293847", "step": 1, "status": 0, "output": "42 10293847", "errors": ""}],
    ["work", "git", {"nonce": "10293847", "step": 5, "status": 0, "output": "a piece of 10293847", "errors": ""}],
    ["paths", "/", {"type": "directory", "symlink": False, "writable": False, "mode": "755", "owner": "root", "free": [9, 4096000]}],
    ["isolation", "bounding", "0000000000000000"],
    ["isolation", "no_new_privileges", 1],
    ["isolation", "seccomp", 2],
    ["cgroup", "v2.cpu", "200000 100000"],
    ["cgroup", "v2.memory", str(8 * 2**30)],
    ["cgroup", "v2.memory_reserved", str(2**30)],
    ["cgroup", "v2.pids", "4096"],
    ["cgroup", "v2.weight", "20"],
    ["end", "", "complete"],
]  # fmt: skip
SECTIONS = {"tools": "toolchain", "work": "toolchain", "paths": "filesystem", "cgroup": "resources"}


def with_huge_numbers(value: Any) -> Iterator[Any]:
    """The answer with each of its numbers, also those in texts, replaced by 400 nines."""
    huge = int("9" * 400)
    if isinstance(value, dict):
        yield from (
            {**value, name: changed} for name, inner in value.items() for changed in with_huge_numbers(inner)
        )
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from (
                [*value[:place], changed, *value[place + 1 :]] for changed in with_huge_numbers(inner)
            )
    elif isinstance(value, int) and not isinstance(value, bool):
        yield huge
    elif isinstance(value, str):
        yield from (re.sub(r"\d+", str(huge), value, count=1) for _ in re.findall(r"\d+", value)[:1])


HUGE_NUMBERS = [
    (place, changed) for place, line in enumerate(SOUND_LINES) for changed in with_huge_numbers(line[2])
]


@pytest.mark.parametrize(
    ("place", "changed"),
    HUGE_NUMBERS,
    ids=["-".join(map(str, SOUND_LINES[place][:2])) + f"-{n}" for n, (place, _) in enumerate(HUGE_NUMBERS)],
)
def test_huge_number_costs_only_its_own_clauses(tmp_path: Path, place: int, changed: Any) -> None:
    path = tmp_path / "sample.yaml"
    path.write_text(EVERY_NUMBER)
    contract = load(path)

    def outcomes(lines: list[list[Any]]) -> dict[str, Outcome]:
        output = "\n".join(map(json.dumps, lines)).encode()
        facts = gather(contract, Scripted(completed=CompletedCommand(0, output, b"")), forbidden={})
        return {clause.local_id: find(clause.promise, facts).outcome for clause in contract.clauses}

    section, key, _ = SOUND_LINES[place]
    sound = outcomes(SOUND_LINES)
    assert set(sound.values()) == {Outcome.KEPT}, sound
    after = outcomes([*SOUND_LINES[:place], [section, key, changed], *SOUND_LINES[place + 1 :]])

    lost = {clause for clause in after if after[clause] is not Outcome.KEPT}
    assert all(clause.startswith(SECTIONS.get(section, section) + "/") for clause in lost)
    assert len(lost) <= 1
