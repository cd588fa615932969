"""Progress of proofs reaches a person while pytest captures what else is written."""

from __future__ import annotations

import pytest

WAITS = """
from builder_contracts.run.pytest_run import RUN

def test_waits(request):
    progress = request.config.stash[RUN].progress
    print("captured")
    progress.say("build: 44 of 879 objects")
    progress.show("tinyland-docker: proofs")
    progress.show("tinyland-docker: proofs")
    progress.patience = -1
    progress.show("tinyland-nix: proofs")
"""
SHOWN = ["  build: 44 of 879 objects", "  tinyland-nix: proofs running for 0 s"]


@pytest.mark.parametrize("arguments", [[], ["-s"], ["-n", "1"]], ids=["captured", "uncaptured", "a worker"])
def test_progress_is_shown_once_and_silence_is_explained(
    pytester: pytest.Pytester, arguments: list[str]
) -> None:
    pytester.makepyfile(WAITS)
    result = pytester.runpytest_subprocess(*arguments)
    result.assert_outcomes(passed=1)
    assert [line for line in result.errlines if line.startswith("  ")] == SHOWN
    # Results are for whoever reads the other stream.
    assert "objects" not in result.stdout.str()


def test_quiet_pytest_shows_no_progress(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(WAITS)
    result = pytester.runpytest_subprocess("-q")
    result.assert_outcomes(passed=1)
    assert result.errlines == []
