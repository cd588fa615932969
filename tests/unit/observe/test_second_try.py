"""Tools that a time limit or a signal ended get a second try, beside a control command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from builder_contracts.contract.loading import load
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.facts.model import (
    HUNG,
    NOT_ASKED,
    ControlFacts,
    Facts,
    StartFacts,
    ToolFacts,
    Unseen,
)
from builder_contracts.judge import find
from builder_contracts.observe.observation import gather
from builder_contracts.runner.protocol import CompletedCommand, OutsideView
from builder_contracts.verdict import Outcome
from tests.unit.judge.observed import IMAGE, RUNNER

CONTRACT = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: sample, summary: A class for the tests, owner: platform}
labels: [sample]
image: {reference: sample}
toolchain: {widget: {version: ">=1"}, gadget: {features: {packs: [-k]}}}
"""
GOOD = CompletedCommand(0, b"control\n", b"")


SETTING = OutsideView(RUNNER, IMAGE, StartFacts(exists=True, started=True), privileged=False)


@dataclass
class TryingRunner:
    """A runner in which each try of the probe has its own answers."""

    tries: list[list[object]]
    control: CompletedCommand = GOOD
    setting: OutsideView = SETTING
    asked: list[list[str]] = field(default_factory=list)

    def execute(
        self, arguments: Sequence[str], *, deadline: float, last_line: bytes = b""
    ) -> CompletedCommand:
        assert deadline > 0
        if not last_line:
            return self.control if "echo control" in arguments[2] else CompletedCommand(127, b"", b"")
        nonce = arguments[4]
        self.asked.append([question.replace("\x1f", " ") for question in arguments[5:]])
        answers = self.tries[len(self.asked) - 1]
        lines = [f"{nonce} {json.dumps(answer)}" for answer in answers]
        return CompletedCommand(0, "\n".join(lines).encode(), b"")


END = ["end", "", "complete"]


def widget(status: int, output: str) -> list[object]:
    return ["tools", "widget", {"path": "/usr/bin/widget", "status": status, "output": output}]


def gadget(status: int) -> list[object]:
    return ["features", "gadget", {"packs": {"status": status, "output": ""}}]


GADGET = ["tools", "gadget", {"path": "/usr/bin/gadget"}]
GOOD_FIRST = [widget(0, "widget 1.7"), GADGET, gadget(0), END]


def observed(tmp_path: Path, runner: TryingRunner) -> tuple[Facts, dict[str, Outcome]]:
    path = tmp_path / "sample.yaml"
    path.write_text(CONTRACT)
    contract = load(path)
    facts = gather(contract, runner, forbidden={})
    tools = contract.promised(Tool)
    return facts, {tool.name: find(tool, facts).outcome for tool in tools}


def test_tools_that_end_have_no_second_try(tmp_path: Path) -> None:
    runner = TryingRunner([GOOD_FIRST])
    facts, outcomes = observed(tmp_path, runner)
    assert (len(runner.asked), facts.control) == (1, NOT_ASKED)
    assert set(outcomes.values()) == {Outcome.KEPT}


def test_tool_that_hangs_twice_beside_a_control_is_broken(tmp_path: Path) -> None:
    hung = [widget(HUNG, "no exit within 20 s"), GADGET, gadget(0), END]
    runner = TryingRunner([hung, [widget(HUNG, "no exit within 20 s"), END]])
    facts, outcomes = observed(tmp_path, runner)
    assert runner.asked[1] == ["tool widget --version"]
    assert isinstance(facts.control, ControlFacts)
    assert facts.control.recovered == []
    assert outcomes == {"widget": Outcome.BROKEN, "gadget": Outcome.KEPT}


def test_tool_that_ends_at_the_second_try_is_kept(tmp_path: Path) -> None:
    first = [widget(HUNG, "no exit within 20 s"), GADGET, gadget(137), END]
    runner = TryingRunner([first, [widget(0, "widget 1.7"), gadget(0), END]])
    facts, outcomes = observed(tmp_path, runner)
    assert runner.asked[1] == ["tool widget --version", "feature gadget packs -k"]
    assert isinstance(facts.control, ControlFacts)
    assert facts.control.recovered == ["gadget", "widget"]
    assert facts.tools["widget"] == ToolFacts("/usr/bin/widget", 0, "widget 1.7")
    assert set(outcomes.values()) == {Outcome.KEPT}


@pytest.mark.parametrize(
    ("second", "control"),
    [
        ([widget(HUNG, ""), END], CompletedCommand(None, b"", b"", "no exit within 20 s")),
        ([widget(HUNG, "")], GOOD),
    ],
    ids=["no-control", "second-try-lost"],
)
def test_hang_that_nothing_confirms_is_unproven(
    tmp_path: Path, second: list[object], control: CompletedCommand
) -> None:
    runner = TryingRunner([[widget(HUNG, ""), GADGET, gadget(0), END], second], control)
    facts, outcomes = observed(tmp_path, runner)
    assert isinstance(facts.control, Unseen)
    assert outcomes == {"widget": Outcome.UNPROVEN, "gadget": Outcome.KEPT}
