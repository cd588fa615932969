"""Progress of proofs reaches a person while pytest captures what else is written."""

from __future__ import annotations

import pytest

from builder_contracts.cli.check import Face

WAITS = """
from builder_contracts.plugin import PROGRESS

def test_waits(request):
    progress = request.config.stash[PROGRESS]
    print("captured")
    progress.say("build: 44 of 879 objects")
    progress.tell("tinyland-docker")
    progress.tell("tinyland-docker")
    progress.patience = -1
    progress.tell("tinyland-nix")
"""
TOLD = ["  build: 44 of 879 objects", "  tinyland-nix: proofs under way for 0 s"]


@pytest.mark.parametrize("arguments", [[], ["-s"], ["-n", "1"]], ids=["captured", "uncaptured", "a worker"])
def test_what_proofs_say_is_told_once_and_silence_is_explained(
    pytester: pytest.Pytester, arguments: list[str]
) -> None:
    pytester.makepyfile(WAITS)
    result = pytester.runpytest_subprocess(*arguments)
    result.assert_outcomes(passed=1)
    assert [line for line in result.errlines if line.startswith("  ")] == TOLD
    # Results are for whoever reads the other stream.
    assert "objects" not in result.stdout.str()


def test_pytest_that_is_to_be_quiet_is(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(WAITS)
    result = pytester.runpytest_subprocess("-q")
    result.assert_outcomes(passed=1)
    assert result.errlines == []


def test_check_tells_although_it_keeps_pytest_quiet(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(WAITS)
    result = pytester.runpytest_inprocess("-q", plugins=[Face(None)])
    result.assert_outcomes(passed=1)
    assert [line for line in result.errlines if line.startswith("  ")] == TOLD
