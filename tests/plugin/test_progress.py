"""Progress of proofs reaches the terminal while pytest captures what else is written."""

from __future__ import annotations

import pytest

WAITS = """
from builder_contracts.progress import Progress

def test_waits(request):
    progress = Progress(request.config)
    print("captured")
    progress.say("build: 44 of 879 objects")
    progress.tell("tinyland-docker")
    progress.tell("tinyland-docker")
    progress.patience = -1
    progress.tell("tinyland-nix")
"""


def test_what_proofs_say_is_told_once_and_silence_is_explained(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(WAITS)
    told = [line for line in pytester.runpytest_subprocess().outlines if line.startswith("  ")]
    assert told == ["  build: 44 of 879 objects", "  tinyland-nix: proofs under way for 0 s"]


@pytest.mark.parametrize("arguments", [["-q"], ["-n", "1"]], ids=["quiet", "a worker"])
def test_where_nobody_reads_nothing_is_told(pytester: pytest.Pytester, arguments: list[str]) -> None:
    pytester.makepyfile(WAITS)
    result = pytester.runpytest_subprocess(*arguments)
    result.assert_outcomes(passed=1)
    assert "objects" not in result.stdout.str()


def test_uncaptured_runs_are_told_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(WAITS)
    pytester.runpytest_subprocess("-s").stdout.fnmatch_lines(["*build: 44 of 879 objects"])
