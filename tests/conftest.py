"""Settings of the project's own tests."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

# Contracts in here are input of tests, not contracts to check.
collect_ignore = ["examples"]

# The same examples in every run: a red test must be red again for whoever looks at it.
settings.register_profile("tests", derandomize=True, deadline=None, database=None)
settings.load_profile("tests")

# Tests find out whether a document is valid, and leave nothing in the home of whoever runs them.
os.environ["BUILDER_CONTRACTS_CACHE"] = ""

# What is started in the background by a shell without job control ignores Ctrl-C, and so would every program
# that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
