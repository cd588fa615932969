"""A host that ssh reaches, with the configuration, the keys and the known hosts of ssh's user."""

from __future__ import annotations

import re
import secrets
import shlex
import threading
from collections.abc import Sequence

from builder_contracts.facts.model import RunnerFacts, Unseen
from builder_contracts.runner import capacity, process
from builder_contracts.runner.capacity import Capacity
from builder_contracts.runner.protocol import (
    CompletedCommand,
    OutsideView,
    Runner,
    TimeLimit,
    UnavailableRunner,
)

_CONNECTS_WITHIN = 15
# A host that stopped answering is given up after twice these seconds.
_ALIVE_EVERY = 10
_OPTIONS = (
    # A question for a password or about a host key would wait for a person.
    "BatchMode=yes",
    f"ConnectTimeout={_CONNECTS_WITHIN}",
    f"ServerAliveInterval={_ALIVE_EVERY}",
    "ServerAliveCountMax=2",
    # A master connection would outlive the run. One that the user has is used.
    "ControlMaster=no",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "RequestTTY=no",
    # Banners are no output of a program.
    "LogLevel=ERROR",
)

# A login without a terminal gets no signal when its connection ends, but its input ends. So one process waits for that
# and then kills the login's session, whose other processes would go on; another one does so after the deadline, in case
# that nobody notices the end. The braces make the shell read the program to its end before it runs a line of it.
_GUARD = """{
unset SSH_CLIENT SSH_CONNECTION SSH_TTY SSH_ORIGINAL_COMMAND
exec 3<&0 </dev/null
session_of() {
  session= state=
  { read -r line <"$1"; } 2>/dev/null || return
  set -- ${line##*) }
  state=$1 session=$4
}
end_session() {
  read -r self _ </proc/self/stat
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    alive=
    for stat in /proc/[0-9]*/stat; do
      pid=${stat#/proc/}
      pid=${pid%/stat}
      session_of "$stat"
      [ "$session" = $$ ] && [ "$state" != Z ] && [ "$pid" != "$self" ] || continue
      alive=yes
      kill -KILL "$pid"
    done
    [ "$alive" ] || break
  done
} 2>/dev/null
(
  session_of /proc/self/stat
  [ "$session" = $$ ]
) || {
  echo "this login is no session of its own, so what it starts could not be ended" >&2
  exit 255
}
(
  while read -r line <&3; do :; done
  end_session
) >/dev/null 2>&1 &
(sleep SECONDS && end_session) >/dev/null 2>&1 3<&- &
(exec WORDS 3<&-)
status=$?
end_session
printf '\\nEND %s\\n' "$status" >&2
exit "$status"
}
"""


class SshRunner:
    """A host and the user of a login there, in that login's environment. Each command is a connection of its own.

    What it runs is killed when ``run_ended`` is set.
    """

    def __init__(self, url: str, *, run_ended: threading.Event | None = None) -> None:
        self._url, self._run_ended = url, run_ended
        self.setting = OutsideView(Unseen("not asked"), _NO_IMAGE, _NO_IMAGE)

    def execute(
        self, arguments: Sequence[str], *, deadline: float, last_line: bytes = b""
    ) -> CompletedCommand:
        longest = deadline * (TimeLimit.LONGEST if last_line else 1) + _CONNECTS_WITHIN
        end = f"END-{secrets.token_hex(8)}"
        program = _guarded(arguments, end, int(longest) + 1)
        # The login's shell may be any; this line means the same to all of them.
        line = ["ssh", *(f"-o{option}" for option in _OPTIONS), "--", self._url, "exec /bin/sh"]
        completed = process.run(
            line, deadline=deadline, stdin=program.encode(), last_line=last_line, hold_input=True, run_ended=self._run_ended
        )  # fmt: skip
        return ended(completed, end.encode())

    def look(self, program: str, arguments: Sequence[str], deadline: float) -> CompletedCommand:
        """The kernel of that host, read without its shell, as far as the user of the login may."""
        line = ["python3", "-I", "-S", "-c", program, "/proc/self", *arguments]
        return self.execute(line, deadline=deadline)


_NO_IMAGE = Unseen("a host that ssh reaches has no image; use --runner docker", provable_here=False)
_ABOUT = (
    capacity.QUESTION
    + """
read -r line </proc/sys/kernel/hostname && printf '%s\\n' "$line" || printf '\\n'
command -v python3 || printf '\\n'
"""
)
_LINES = 6


def ssh_runner(url: str, *, run_ended: threading.Event | None = None) -> Runner:
    """The runner at a URL such as ssh://user@host:22; where no login succeeds, a runner that says why."""
    runner = SshRunner(url, run_ended=run_ended)
    asked = runner.execute(["/bin/sh", "-c", _ABOUT], deadline=_CONNECTS_WITHIN * 2.0)
    if asked.ended:
        return UnavailableRunner(f"cannot run commands on {url}: {asked.ended}")
    # The startup file of a login's shell may print, before everything else.
    lines = asked.stdout.decode("utf-8", errors="replace").removesuffix("\n").split("\n")[-_LINES:]
    *_, name, python = ["", "", *lines]
    seen = Capacity.read("\n".join(lines))
    about = RunnerFacts(
        kind="ssh",
        engine="",
        host=f"{name} ({seen.kernel})" if seen.kernel else name,
        cpus=seen.cpus,
        memory=seen.memory,
        identity=url,
    )
    runner.setting = OutsideView(about, _NO_IMAGE, _NO_IMAGE, look=runner.look if python else None)
    return runner


def _guarded(arguments: Sequence[str], end: str, seconds: int) -> str:
    """The program that runs the arguments, prints the end with their status, and leaves nothing."""
    words = {"SECONDS": str(seconds), "WORDS": shlex.join(arguments), "END": end}
    return re.sub("SECONDS|WORDS|END", lambda match: words[match[0]], _GUARD)


def ended(completed: CompletedCommand, end: bytes) -> CompletedCommand:
    """The end of the program, as far as ssh's own end tells: both can be 255. Pure."""
    if completed.ended or (completed.status == 0 and end not in completed.stderr):
        return completed
    stderr, mark, status = completed.stderr.rpartition(b"\n%b " % end)
    if mark:
        return CompletedCommand(int(status.split()[0]), completed.stdout, stderr, cut=completed.cut)
    if completed.cut and completed.status != _SSH_FAILED:
        return completed
    return CompletedCommand(None, completed.stdout, b"", _failure(completed), completed.cut)


_SSH_FAILED = 255


def _failure(completed: CompletedCommand) -> str:
    """Why ssh ended before the program did, on one line."""
    text = " ".join(completed.stderr.decode("utf-8", errors="replace").split())
    if completed.status == 127 and "'ssh'" in text:
        return "ssh is not installed, or not on PATH"
    if "IDENTIFICATION HAS CHANGED" in text:
        return "the host's key is another one than ssh knows (Host key verification failed); find out why before you trust it"
    if "Host key verification failed" in text:
        return "ssh does not know the host's key (Host key verification failed); connect once by hand and compare it"
    if "Permission denied (" in text:
        return f"the host takes none of the keys that ssh offers ({text[-200:]}); try the login by hand"
    return text[-400:] or f"ssh exited with status {completed.status}"
