"""The first signal stops a run, and no signal stops the removal of what it created."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from builder_contracts.runner.interrupts import SIGNALS

pytestmark = pytest.mark.usefixtures("hangup_ends_programs")

# Sends itself signals: five before the removal, and five within it.
PROGRAM = """
import os, signal, sys
from builder_contracts.runner import interrupts

number = int(sys.argv[1])
if "ignored" in sys.argv:
    signal.signal(number, signal.SIG_IGN)
interrupts.end_in_order(unignore="unignore" in sys.argv)
try:
    os.kill(os.getpid(), number)
    print("not stopped")
except KeyboardInterrupt as error:
    for _ in range(4):
        os.kill(os.getpid(), number)
    with interrupts.ignored():
        for _ in range(5):
            os.kill(os.getpid(), number)
        print(type(error).__name__, "removed")
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: signal.Signals(number).name)
def test_first_signal_stops_and_the_others_do_not(number: int) -> None:
    completed = run(str(int(number)))
    name = "KeyboardInterrupt" if number == signal.SIGINT else "Terminated"
    assert (completed.returncode, completed.stdout) == (0, f"{name} removed\n"), completed.stderr
    assert completed.stderr.count("removing what this run created") == 9


@pytest.mark.parametrize(("word", "output"), [("", "not stopped\n"), ("unignore", "Terminated removed\n")])
def test_ignored_signal_stays_ignored_unless_asked(word: str, output: str) -> None:
    assert run(str(int(signal.SIGHUP)), "ignored", word).stdout == output


def test_handler_of_others_stays() -> None:
    program = (
        "import signal\nfrom builder_contracts.runner import interrupts\n"
        "signal.signal(signal.SIGTERM, print)\ninterrupts.end_in_order()\n"
        "assert signal.getsignal(signal.SIGTERM) is print\n"
        "assert signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# A removal that would be cut by an interrupt between the exception and its beginning.
LATE = """
import os, signal, time
from builder_contracts.runner import interrupts
interrupts._STOPS_WITHIN = 0.2
interrupts.end_in_order()
for _ in range(2):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        print("stopped")
    time.sleep(0.3)
"""


def test_lost_interrupt_can_be_repeated_later() -> None:
    completed = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True)
    assert completed.stdout == "stopped\nstopped\n", completed.stderr
