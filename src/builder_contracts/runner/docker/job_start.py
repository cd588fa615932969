"""The start of a job's container, and the process in it that is the job. Pure, but for the shell text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from builder_contracts.contract.promises.job import JobStart, StartWay

# Waits for input that never comes: a shell alone keeps the container alive, and no program of the image has to run.
IDLE = ("/bin/sh", "-c", "read -r _")

STARTED = "builder-contracts: the job's command runs"
"""What the run's own command prints, so that an ENTRYPOINT that never runs it shows."""

ANNOUNCE = ("/bin/sh", "-c", f'echo "{STARTED}"; read -r _')

# The innermost process that the first one started is the job, or the agent that starts its steps: what a wrapper
# exports reaches it.
FIND_JOB = r"""
process=1
# The kernel ends the list without a line break, so read fails although it has read.
while child= && { read -r child _ <"/proc/$process/task/$process/children"; [ -n "$child" ]; }; do
  process=$child
done 2>/dev/null
while read -r field _ effective _; do
  case $field in Uid: | Gid:) printf '%s' "$effective " ;; esac
done <"/proc/$process/status"
while read -r field _ effective _; do
  case $field in Uid: | Gid:) printf '%s' "$effective " ;; esac
done </proc/self/status
printf '%s\n' "$process"
cd -P "/proc/$process/cwd" 2>/dev/null && pwd -P || printf '\n'
exec cat "/proc/$process/environ"
"""


def describe(start: JobStart) -> str:
    """How a job starts, for the evidence of its verdicts."""
    command = " ".join(start.command)
    match start.way:
        case StartWay.REPLACED if not command:
            return "ENTRYPOINT replaced by the run's own command"
        case StartWay.REPLACED:
            return f"ENTRYPOINT replaced by: {command}"
        case StartWay.ARGUMENTS:
            return f"ENTRYPOINT with the arguments: {command or 'a shell that waits'}"
        case StartWay.IMAGE:
            return "ENTRYPOINT and CMD of the image"


def entrypoint_and_command(start: JobStart) -> tuple[list[str] | None, list[str] | None]:
    """What the engine is given for ENTRYPOINT and CMD; None for the image's own."""
    match start.way:
        case StartWay.REPLACED:
            return list(start.command or IDLE), []
        case StartWay.ARGUMENTS:
            return None, list(start.command or ANNOUNCE)
        case StartWay.IMAGE:
            return None, None


def announces(start: JobStart) -> bool:
    """Whether the job's command says that it runs."""
    return start.way is StartWay.ARGUMENTS and not start.command


# What engines and runtimes report for an image in which nothing can start, whoever starts it.
_IMAGE_FAULT = re.compile(
    r"unable to find (user|group)|no matching entries in (passwd|group)|no such file or directory"
    r"|executable file not found|permission denied|no command specified|is a directory|not a directory"
)


def image_fault(message: str) -> bool:
    """Whether a failed start is the image's own fault, by the engine's message.

    A program for another platform is not: an engine of that platform starts it.
    """
    return bool(_IMAGE_FAULT.search(message.lower())) and "exec format error" not in message


_WITHOUT = 'while [ "$1" != -- ]; do unset "$1"; shift; done; shift; exec "$@"'


@dataclass(frozen=True)
class JobProcess:
    """The process of a job: its variables, its directory, and its user where the container's is another.

    ``number`` is its process id in the container. ``unset`` are variables of the image that the job does not have any more.
    """

    env: dict[str, str]
    directory: str = ""
    user: str = ""
    unset: tuple[str, ...] = ()
    number: int = 1

    def arguments(self, arguments: Sequence[str]) -> list[str]:
        """The arguments that start a program without the variables that are unset."""
        if not self.unset:
            return list(arguments)
        return ["/bin/sh", "-c", _WITHOUT, "sh", *self.unset, "--", *arguments]


def job_process(output: bytes) -> JobProcess | None:
    """The process in the output of ``FIND_JOB``, or None where it shows none."""
    ids, _, rest = output.partition(b"\n")
    directory, _, environ = rest.partition(b"\n")
    numbers = ids.split()
    if len(numbers) != 5 or not all(number.isdigit() and len(number) <= 10 for number in numbers):
        return None
    env: dict[str, str] = {}
    for entry in environ.split(b"\0"):
        name, equals, value = entry.decode("utf-8", errors="replace").partition("=")
        if name and equals:
            env[name] = value
    uid, gid, own_uid, own_gid, process = (number.decode() for number in numbers)
    user = "" if (uid, gid) == (own_uid, own_gid) else f"{uid}:{gid}"
    return JobProcess(env, directory.decode("utf-8", errors="replace"), user, number=int(process))
