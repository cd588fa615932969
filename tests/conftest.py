"""Settings of the project's own tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# Contracts in here are input of tests, not contracts to check.
collect_ignore = ["examples"]

# The same examples in every run: a failed test must fail again for whoever looks at it. The default keeps the unit
# tests quick; HYPOTHESIS_PROFILE=thorough searches wider.
# A busy machine is no reason to fail: how long an example takes decides nothing.
for profile, examples in (("quick", 20), ("thorough", 200)):
    settings.register_profile(
        profile,
        derandomize=True,
        deadline=None,
        database=None,
        max_examples=examples,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# Tests find out whether a document is valid, and leave nothing in the home of whoever runs them.
os.environ["BUILDER_CONTRACTS_CACHE"] = ""

# What is started in the background by a shell without job control ignores Ctrl-C, and so would every program
# that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where CI runs, a test that is skipped for want of a program is a failure: nobody reads its reason there."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"not tested, and CI has to test it: {report.longrepr}"
    return report
