"""The one table of exit codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from builder_contracts.errors import ExitCode, Location
from builder_contracts.run.exit_status import MEANINGS, SHORT, after_removal, exit_code, interrupted_by
from builder_contracts.runner.interrupts import Terminated
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.verdict import Origin, Outcome, Verdict

ROOT = Path(__file__).parents[3]
KEPT, BROKEN, WAIVED = Outcome.KEPT, Outcome.BROKEN, Outcome.WAIVED


def verdict(outcome: Outcome, *, provable_here: bool = True, runner: str = "docker") -> Verdict:
    return Verdict(
        "a/toolchain/b", outcome, None, "promise", "observation", Location("a.yaml", 1), provable_here=provable_here,
        origin=Origin(runner=runner),
    )  # fmt: skip


HERE, NEVER = verdict(Outcome.UNPROVEN), verdict(Outcome.UNPROVEN, provable_here=False)
NO_RUNNER = verdict(Outcome.UNPROVEN, runner="")


@pytest.mark.parametrize(
    ("verdicts", "lenient", "strict"),
    [
        ([], ExitCode.NOTHING_SELECTED, ExitCode.NOTHING_SELECTED),
        ([verdict(KEPT)], ExitCode.KEPT, ExitCode.KEPT),
        ([verdict(WAIVED)], ExitCode.KEPT, ExitCode.KEPT),
        ([verdict(KEPT), NEVER], ExitCode.KEPT, ExitCode.UNPROVEN),
        ([verdict(KEPT), HERE], ExitCode.UNPROVEN, ExitCode.UNPROVEN),
        ([HERE, verdict(BROKEN)], ExitCode.BROKEN, ExitCode.BROKEN),
        ([NEVER], ExitCode.NOTHING_SELECTED, ExitCode.UNPROVEN),
        ([verdict(KEPT, runner=""), NO_RUNNER], ExitCode.CANNOT_RUN, ExitCode.CANNOT_RUN),
        ([verdict(KEPT), NO_RUNNER], ExitCode.UNPROVEN, ExitCode.UNPROVEN),
    ],
)
def test_verdicts_decide_the_exit_code(verdicts: list[Verdict], lenient: ExitCode, strict: ExitCode) -> None:
    assert exit_code(verdicts, strict=False) is lenient
    assert exit_code(verdicts, strict=True) is strict


def test_each_signal_has_its_code() -> None:
    assert interrupted_by(KeyboardInterrupt()) == 130
    assert interrupted_by(Terminated()) == 143


REFUSED, UNCHECKED = Leftovers(refused=("a",)), Leftovers(unchecked=("a",))


@pytest.mark.parametrize("code", [code for code in ExitCode if code is not ExitCode.LEFT_BEHIND])
def test_refused_removal_outweighs_every_verdict(code: ExitCode) -> None:
    fine = code in (ExitCode.KEPT, ExitCode.NOTHING_SELECTED)
    assert after_removal(code, REFUSED) is ExitCode.LEFT_BEHIND
    assert after_removal(code, UNCHECKED) is (ExitCode.LEFT_BEHIND if fine else code)
    assert after_removal(code, Leftovers()) is code


def test_leftovers_add_up_without_repetition() -> None:
    total = REFUSED + REFUSED + UNCHECKED
    assert total == Leftovers(("a",), ("a",))


def test_every_code_has_one_meaning_wherever_it_is_documented() -> None:
    assert list(MEANINGS) == list(SHORT) == list(ExitCode)
    header = (ROOT / "script" / "contract").read_text("utf-8").partition("\nset -euo")[0]
    codes = re.findall(r"(?:^# exit: |; |^#       )(\d+) ", header, re.MULTILINE)
    assert codes == [str(code.value) for code in ExitCode]
