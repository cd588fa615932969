"""Settings of the project's own tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from builder_contracts import redaction

# Contracts in here are input of tests, not contracts to check.
collect_ignore = ["examples", "cli/poor_host"]

# The same examples in every run: a failed test must fail again for whoever looks at it. The default keeps the unit
# tests quick; HYPOTHESIS_PROFILE=thorough searches wider.
settings.register_profile("quick", derandomize=True, deadline=None, database=None, max_examples=20)
settings.register_profile("thorough", derandomize=True, deadline=None, database=None, max_examples=200)
settings.register_profile("few", derandomize=True, deadline=None, database=None, max_examples=5)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# Tests find out whether a document is valid, and leave nothing in the home of whoever runs them.
os.environ["BUILDER_CONTRACTS_CACHE"] = ""

# What is imported by a thousand processes is compiled once, also where an image's environment forbids to keep it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What is started in the background by a shell without job control ignores Ctrl-C, and so would every program
# that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def hangup_ends_programs() -> Iterator[None]:
    """What starts ends when its terminal does, also in tests that were started with nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(autouse=True)
def _no_secret_of_another_test() -> None:
    """What a test taught this process to hide is shown again in the next."""
    redaction.forget()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where CI runs, a test that is skipped for want of a program is a failure: nobody reads its reason there."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"not tested, and CI has to test it: {report.longrepr}"
    return report
