"""The one place that starts processes: ends them all, tells how they ended, passes words as they are."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from builder_contracts.runner import process
from builder_contracts.runner.shutdown import ENDED


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def ends(pid: int, within: float = 5) -> bool:
    until = time.monotonic() + within
    while lives(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not lives(pid)


def test_words_and_environment_arrive_as_they_are() -> None:
    words = ["a b", "", "$(id)", "`id`", "*", "'\"\\", "line\nbreak", "é"]
    done = process.run(
        ["/bin/sh", "-c", 'printf "[%s]" "$@" "$ONLY"; env', "sh", *words],
        deadline=30,
        environment={"ONLY": "$HOME", "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout.decode().startswith("".join(f"[{word}]" for word in [*words, "$HOME"]))
    assert b"HOME=" not in done.stdout
    assert (done.status, done.ended) == (0, "")


def test_status_and_both_outputs_are_told() -> None:
    done = process.run(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"], deadline=30)
    assert (done.status, done.stdout, done.stderr, done.ended) == (3, b"out\n", b"err\n", "")


def test_there_is_no_input_to_wait_for() -> None:
    assert process.run(["cat"], deadline=30).status == 0


@pytest.mark.parametrize("command", ["/no/such/program", "/", "/etc/passwd"])
def test_what_cannot_be_started_is_told_not_raised(command: str) -> None:
    done = process.run([command], deadline=30)
    assert done.status == 127
    assert done.stderr


def test_a_long_output_is_complete() -> None:
    done = process.run(
        ["/bin/sh", "-c", "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2"], deadline=30
    )
    assert (len(done.stdout), len(done.stderr)) == (3_000_000, 3_000_000)


def test_deadline_ends_whole_group_and_keeps_its_output() -> None:
    """Who was waited for instead would say so, which is no number."""
    survivor = "(sleep 20; echo survived) & echo $!; wait"
    done = process.run(["/bin/sh", "-c", survivor], deadline=0.5)
    assert done.status is None
    assert done.ended == "/bin/sh did not exit within 0.5 s"
    assert ends(int(done.stdout))


def test_a_child_in_a_group_of_its_own_is_ended_as_well() -> None:
    """timeout(1), which the probe runs tools under, makes such a group."""
    survivor = "echo $$; timeout 30 sh -c 'echo $$; sleep 20; echo survived'"
    done = process.run(["/bin/sh", "-c", survivor], deadline=1)
    assert done.status is None
    for pid in done.stdout.split():
        assert ends(int(pid))


def test_child_that_left_the_session_is_not_waited_for() -> None:
    done = process.run(["/bin/sh", "-c", "setsid sh -c 'echo $$; exec sleep 60' & wait"], deadline=0.5)
    assert done.ended
    # Still there: this fails for a process that has ended.
    os.kill(int(done.stdout), signal.SIGKILL)


# Runs commands that sleep; an alarm at some moment sends what the user's Ctrl-C or docker stop would send.
INTERRUPTED = """
import os, random, signal, sys
from builder_contracts.runner import process
from builder_contracts.runner.shutdown import ENDED

class Interrupt(BaseException): pass

def interrupt(number, frame): raise Interrupt(f'signal {number}')

signal.signal(signal.SIGINT, interrupt)
signal.signal(signal.SIGTERM, interrupt)
signal.signal(signal.SIGALRM, lambda number, frame: os.kill(os.getpid(), random.choice([2, 15])))
caught = 0
for delay in map(float, sys.argv[2:]):
    try:
        signal.setitimer(signal.ITIMER_REAL, delay)
        process.run(['/bin/sh', '-c', 'sleep 1000; :'], deadline=60, environment={'MARK': sys.argv[1]})
    except Interrupt:
        caught += 1
assert signal.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGTERM) is interrupt
print(caught)
"""


def processes_with(mark: str) -> list[int]:
    """Processes that live and were started with this variable."""
    pids = []
    for candidate in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if candidate.environ().get("MARK") == mark:
                pids.append(candidate.pid)
    return pids


def test_an_interrupt_at_any_moment_leaves_no_process() -> None:
    mark = f"interrupted-{secrets.token_hex(8)}"
    # From before the fork to after the start of the program: on an idle machine it takes one to five milliseconds.
    delays = [str(index * 0.0001 + 1e-6) for index in range(75)]
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, mark, *delays], capture_output=True, text=True, timeout=120
    )
    leftovers = processes_with(mark)
    for pid in leftovers:
        os.kill(pid, signal.SIGKILL)
    assert (done.returncode, done.stdout.strip()) == (0, "75"), done.stderr
    assert leftovers == []


def test_an_interrupt_ends_the_group() -> None:
    script = (
        "from builder_contracts.runner import process\n"
        "process.run(['/bin/sh', '-c', 'echo $$ >\"$0\"; sleep 1000', __import__('sys').argv[1]], deadline=60)\n"
    )
    marker = Path(os.environ.get("TMPDIR", "/tmp"), f"interrupted-{os.getpid()}")
    caller = subprocess.Popen([sys.executable, "-c", script, str(marker)], stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + 20
        while not (marker.exists() and marker.read_text().strip()) and time.monotonic() < until:
            time.sleep(0.02)
        shell = int(marker.read_text())
        caller.send_signal(signal.SIGINT)
        _, stderr = caller.communicate(timeout=20)
        assert b"KeyboardInterrupt" in stderr
        assert ends(shell)
    finally:
        caller.kill()
        caller.wait()
        marker.unlink(missing_ok=True)


def test_a_program_ends_with_the_run() -> None:
    run_ended = threading.Event()
    run_ended.set()
    completed = process.run(["/bin/sleep", "1000"], deadline=600, run_ended=run_ended)
    assert (completed.status, completed.ended) == (None, ENDED)


# What a job's output goes through: a tar without end, with bytes that are no text, and a secret to be redacted.
FLOODED = """
import re
from pathlib import Path
from builder_contracts.redaction import Redactor
from builder_contracts.runner import process
from builder_contracts.runner.shutdown import ENDED
from builder_contracts.runner.wrapped import redact_completed

completed = process.run(["/bin/sh", "-c", "cat /dev/urandom & cat /dev/urandom >&2"], deadline=3)
redact_completed(Redactor(["a-secret-of-a-deployment"]), completed)
assert completed.cut and completed.status is None, completed.ended
# Of this program alone: what getrusage says begins with the size of who started it.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def test_output_without_end_takes_little_memory() -> None:
    completed = subprocess.run([sys.executable, "-c", FLOODED], capture_output=True, text=True, check=True)
    assert int(completed.stdout) < 300


SLOW_ANSWERS = "for n in 1 2 3 4 5 6 7 8 9; do echo $n; sleep 0.2; done; echo; echo over; echo"


def test_who_goes_on_answering_gets_more_time() -> None:
    done = process.run(["/bin/sh", "-c", SLOW_ANSWERS], deadline=1.5, last_line=b"over")
    assert (done.status, done.ended) == (0, "")


def test_who_answers_without_end_is_stopped() -> None:
    done = process.run(
        ["/bin/sh", "-c", "while :; do echo more; sleep 0.05; done"], deadline=0.8, last_line=b"over"
    )
    assert (done.status, done.ended) == (None, "/bin/sh did not exit within 2.4 s")


def test_output_buys_no_time_where_no_last_line_is_due() -> None:
    done = process.run(["/bin/sh", "-c", "while :; do echo more; sleep 0.05; done"], deadline=0.2)
    assert done.ended == "/bin/sh did not exit within 0.2 s"


def test_a_flood_buys_no_time_beyond_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MOST_OUTPUT", 0)
    done = process.run(
        ["/bin/sh", "-c", "while :; do echo more; sleep 0.05; done"], deadline=0.2, last_line=b"over"
    )
    assert done.ended == "/bin/sh did not exit within 0.2 s"
