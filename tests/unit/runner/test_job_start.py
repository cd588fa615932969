"""How a job starts, and which process of its container it is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from builder_contracts.contract.promises.job import DEFAULT_START, JobStart, StartWay
from builder_contracts.runner.docker.job_start import (
    ANNOUNCE,
    FIND_JOB,
    IDLE,
    JobProcess,
    announces,
    describe,
    entrypoint_and_command,
    image_fault,
    job_process,
)

RUN_SH = ("/home/runner/run.sh", "--once")


@pytest.mark.parametrize(
    ("start", "entrypoint", "command", "text"),
    [
        (DEFAULT_START, list(IDLE), [], "ENTRYPOINT replaced by the run's own command"),
        (JobStart(StartWay.REPLACED, RUN_SH), list(RUN_SH), [], "replaced by: /home/runner/run.sh --once"),
        (JobStart(StartWay.ARGUMENTS), None, list(ANNOUNCE), "with the arguments: a shell that waits"),
        (JobStart(StartWay.ARGUMENTS, RUN_SH), None, list(RUN_SH), "with the arguments: /home/runner/run.sh"),
        (JobStart(StartWay.IMAGE), None, None, "ENTRYPOINT and CMD of the image"),
    ],
)
def test_engine_gets_what_the_contract_says(
    start: JobStart, entrypoint: list[str] | None, command: list[str] | None, text: str
) -> None:
    assert entrypoint_and_command(start) == (entrypoint, command)
    assert text in describe(start)
    assert announces(start) is (command == list(ANNOUNCE))


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("unable to find user nosuch: no matching entries in passwd file", True),
        ('exec: "/bin/sh": stat /bin/sh: no such file or directory: unknown', True),
        ('exec: "run.sh": executable file not found in $PATH', True),
        ("exec /bin/sh: exec format error", False),
        ("no space left on device", False),
        ("the engine did not respond", False),
    ],
)
def test_image_fault_is_told_from_the_engines(message: str, fault: bool) -> None:
    assert image_fault(message) is fault


def test_job_process_has_directory_variables_and_user() -> None:
    output = b"1001 1002 0 0 7\n/home/runner\nHOME=/home/runner\0EMPTY=\0A-B=c=d\0"
    env = {"HOME": "/home/runner", "EMPTY": "", "A-B": "c=d"}
    assert job_process(output) == JobProcess(env, "/home/runner", "1001:1002", number=7)
    assert job_process(output.replace(b"0 0 ", b"1001 1002 ")) == JobProcess(env, "/home/runner", number=7)


@pytest.mark.parametrize("output", [b"", b"x y z w v\n/\nA=b\0", b"1001 1001 1\n/\n", b"\n\n"])
def test_other_output_shows_no_process(output: bytes) -> None:
    assert job_process(output) is None


def test_unset_variables_of_the_image_are_not_the_jobs() -> None:
    program = [sys.executable, "-c", "import os; print('GONE' in os.environ, os.environ['KEPT'])"]
    arguments = JobProcess({}, unset=("GONE",)).arguments(program)
    output = subprocess.run(
        arguments, env={"GONE": "1", "KEPT": "2"}, capture_output=True, text=True, check=True
    )
    assert output.stdout == "False 2\n"
    assert JobProcess({}).arguments(program) == program


def test_search_for_the_job_reports_both_users() -> None:
    output = subprocess.run(["/bin/sh", "-c", FIND_JOB], capture_output=True, check=False).stdout
    assert len(output.split(b"\n")[0].split()) == 5
