"""Commands of a contract: run by their argument list, with input, variables and a time limit."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from builder_contracts.contract.promises.commands import JobCommand, OutputPatterns
from builder_contracts.facts.model import HUNG, NOT_ASKED, CommandFacts, Seen, Unseen
from builder_contracts.observe import commands
from builder_contracts.runner import process
from builder_contracts.runner.protocol import CompletedCommand, OutsideView
from tests.unit.observe.test_system_state import promising

HOSTILE = ["$(id)", "`id`", "*", "a  b", "'", '"', "\\", "\n", "-n", "--", "%s", ";", "", "ü"]


class HostRunner:
    """Runs commands on this host."""

    setting = OutsideView(NOT_ASKED, NOT_ASKED, NOT_ASKED)

    def execute(
        self, arguments: Sequence[str], *, deadline: float, last_line: bytes = b""
    ) -> CompletedCommand:
        return process.run(arguments, deadline=deadline, last_line=last_line)


def run(command: JobCommand) -> Seen[CommandFacts]:
    return commands.observe(promising(command), HostRunner(), lost="")[command.name]


def expecting(pattern: str) -> OutputPatterns:
    return OutputPatterns((re.compile(pattern),))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_shell_reads_what_a_contract_says(text: str) -> None:
    pattern = rf"\A\[{re.escape(text)}\]\[{re.escape(text)}\]\[{re.escape(text)}\]\Z"
    script = 'import os, sys; print(end="[%s][%s][%s]" % (sys.argv[1], sys.stdin.read(), os.environ["V"]))'
    command = JobCommand(
        "c", ("python3", "-c", script, text), text, (("V", text),), stdout=expecting(pattern)
    )
    facts = run(command)
    assert isinstance(facts, CommandFacts)
    assert facts.status == 0
    assert facts.stdout[pattern] is not None


def test_status_and_both_streams() -> None:
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    command = JobCommand("c", ("python3", "-c", script), stdout=expecting("o."), stderr=expecting("o."))
    assert run(command) == CommandFacts(3, "err", {"o.": "out"}, {"o.": None})


def test_status_of_the_command_and_not_of_its_input() -> None:
    assert run(JobCommand("c", ("false",), stdin="x" * 1000)) == CommandFacts(1, "")


def test_command_that_hangs_is_ended() -> None:
    facts = run(JobCommand("c", ("sleep", "30"), within=1))
    assert isinstance(facts, CommandFacts)
    assert (facts.status, facts.output) == (HUNG, "")
    assert isinstance(facts.control, float)


def test_program_that_is_missing_has_a_status() -> None:
    facts = run(JobCommand("c", ("no-such-program",)))
    assert isinstance(facts, CommandFacts)
    assert facts.status == 127


def test_command_of_a_lost_runner_is_a_reason() -> None:
    command = JobCommand("c", ("true",))
    assert commands.observe(promising(command), HostRunner(), lost="gone") == {"c": Unseen("gone")}
    facts = commands.read(command, CompletedCommand(None, b"", b"", "container died"), late=False)
    assert facts == Unseen("'true' did not complete: container died")


def test_output_that_is_too_long_is_not_judged() -> None:
    command = JobCommand("c", ("true",), stdout=expecting("x"), stderr=expecting("y"))
    facts = commands.read(command, CompletedCommand(0, b"x" * 70000, b"y"), late=False)
    assert isinstance(facts, CommandFacts)
    assert isinstance(facts.stdout["x"], Unseen)
    assert facts.stderr == {"y": "y"}
    assert len(facts.output) <= 201


def test_command_without_input_needs_no_shell() -> None:
    assert commands.program(JobCommand("c", ("ls", "$HOME"))) == ["ls", "$HOME"]
