"""One observation of one runner, with the machine itself and with runners that fail in every way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest

from builder_contracts.contract.load import load
from builder_contracts.contract.model import Contract
from builder_contracts.facts.model import Connection, Daemon, Facts, Forbidden, Start, Tool, Unseen
from builder_contracts.observe.gather import gather
from builder_contracts.runner.local import local_runner
from builder_contracts.runner.protocol import Completed, NoRunner, Setting, StandIn
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


SETTING = Setting(RUNNER, IMAGE, Start(exists=True, started=True), privileged=False)


WHOLE = Completed(0, b'["end","","complete"]', b"")


@dataclass
class Scripted:
    """A runner at the edge of the protocol: it answers what a test says, and keeps what it was asked."""

    setting: Setting = SETTING
    ends: Completed = WHOLE
    asked: list[Sequence[str]] = field(default_factory=list)

    def execute(self, arguments: Sequence[str], *, deadline: float) -> Completed:
        assert deadline > 0
        self.asked.append(arguments)
        return self.ends


def test_this_machine_is_seen_in_one_pass(contract: Contract) -> None:
    facts = gather(contract, local_runner(), forbidden={})
    assert facts.tools["sh"] == Tool(
        str(facts.tools["sh"].path) if isinstance(facts.tools["sh"], Tool) else "",
        Unseen("its version was not observed"),
        Unseen("its version was not observed"),
    )
    assert facts.tools["no-such-tool"] == Tool(None)
    assert isinstance(facts.env, dict)
    assert isinstance(facts.image, Unseen)
    assert not facts.image.here
    assert facts.seconds > 0
    assert datetime.fromisoformat(facts.taken).utcoffset() is not None
    assert facts.taken.endswith("Z")


def test_a_contract_larger_than_an_argument_list_is_asked_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    tools = "".join(f"  tool-{number}-{'x' * 80}: absent\n" for number in range(1500))
    path.write_text(BODY.replace("toolchain: {sh: present, no-such-tool: absent}\n", f"toolchain:\n{tools}"))
    facts = gather(load(path), local_runner(), forbidden={})
    unseen = [fact for fact in facts.tools.values() if isinstance(fact, Unseen)]
    assert unseen == []
    assert len(facts.tools) == 1500


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (
            Completed(None, b"", b"", "container exited with status 137"),
            "container exited with status 137",
        ),
        (Completed(None, b"", b"", "no exit within 5 s"), "no exit within 5 s"),
        (Completed(127, b"", b"sh: not found"), "probe exited with status 127: sh: not found"),
        (Completed(2, b"syntax\xff", b""), "status 2: syntax\ufffd"),
        (Completed(0, b"", b""), "the observation ended early"),
        (Completed(0, b"\xff\x00nonsense\n[[[", b""), "the observation ended early"),
    ],
)
def test_a_runner_that_is_lost_is_unseen_with_the_reason_everywhere(
    contract: Contract, ends: Completed, said: str
) -> None:
    facts = gather(contract, Scripted(ends=ends), forbidden={})
    for fact in (facts.identity, facts.env, facts.path, facts.tools["sh"], facts.paths["/"], facts.daemon):
        assert isinstance(fact, Unseen)
        assert said in fact.unseen


def test_what_was_answered_before_the_end_counts(contract: Contract) -> None:
    output = json.dumps(["tools", "sh", {"path": "/bin/sh"}]).encode() + b'\n["paths","/'
    facts = gather(contract, Scripted(ends=Completed(None, output, b"", "no exit within 5 s")), forbidden={})
    assert isinstance(facts.tools["sh"], Tool)
    assert isinstance(facts.paths["/"], Unseen)


def test_nothing_is_asked_of_a_runner_that_did_not_start(contract: Contract) -> None:
    runner = Scripted(setting=replace(SETTING, start=Start(exists=True, started=False, said="no shell")))
    facts = gather(contract, runner, forbidden={})
    assert runner.asked == []
    assert facts.tools["sh"] == Unseen("runner did not start: no shell")
    assert isinstance(facts.start, Start)


def test_without_a_runner_everything_has_one_reason(contract: Contract) -> None:
    facts = gather(contract, NoRunner("cannot reach a Docker Engine"), forbidden={})
    for fact in (facts.runner, facts.image, facts.start, facts.identity, facts.tools["sh"]):
        assert fact == Unseen("cannot reach a Docker Engine")


STAND_IN = StandIn("169.254.169.254", 80, Connection("connected", "a neighbour reads it"))


def questions(runner: Scripted) -> list[str]:
    return [word for arguments in runner.asked for word in arguments[4:]]


def test_a_stand_in_is_tried_where_that_cannot_reach_the_real_host(contract: Contract) -> None:
    runner = Scripted()
    facts = gather(contract, runner, forbidden={"metadata": STAND_IN})
    assert sum("169.254.169.254" in question for question in questions(runner)) == 2
    forbidden = facts.network.forbidden["metadata"]
    assert isinstance(forbidden, Forbidden)
    assert forbidden.control == STAND_IN.control
    assert len(forbidden.attempts) == 5


def test_no_packet_is_sent_to_a_forbidden_address_on_a_routed_network(contract: Contract) -> None:
    runner = Scripted()
    gather(contract, runner, forbidden={"metadata": STAND_IN}, may_try=False)
    assert not any("forbidden" in question for question in questions(runner))


def test_a_forbidden_host_without_a_stand_in_is_never_tried(contract: Contract) -> None:
    runner = Scripted()
    facts: Facts = gather(contract, runner, forbidden={})
    assert not any("forbidden" in question for question in questions(runner))
    fact = facts.network.forbidden["metadata"]
    assert isinstance(fact, Unseen)
    assert not fact.here


def test_a_host_that_the_run_could_not_start_is_unseen_not_unreachable(contract: Contract) -> None:
    output = b'["resolve","a.example",[]]\n["resolve","localhost",["::1"]]\n["end","","complete"]'
    facts = gather(
        contract,
        Scripted(ends=Completed(0, output, b"")),
        forbidden={},
        unreachable_hosts={"a.example": "the services image is not there"},
    )
    assert facts.network.resolve["a.example"] == Unseen("the services image is not there")
    assert facts.network.connect["a.example:80"] == Unseen("the services image is not there")
    assert facts.network.resolve["localhost"] == ["::1"]


def test_a_daemon_that_failed_to_start_carries_its_log(contract: Contract) -> None:
    output = b'["daemon","",{"reachable":false,"how":"no socket responds"}]\n["end","","complete"]'
    setting = replace(SETTING, daemon_failure="end of its log: boom")
    facts = gather(contract, Scripted(setting, Completed(0, output, b"")), forbidden={})
    assert isinstance(facts.daemon, Daemon)
    assert facts.daemon.failure == "end of its log: boom"
