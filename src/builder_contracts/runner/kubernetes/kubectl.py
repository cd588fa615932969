"""kubectl as its user has it: with their kubeconfig, contexts and credential plugins."""

from __future__ import annotations

import json
import re
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from builder_contracts.runner import process
from builder_contracts.runner.protocol import CompletedCommand

RESPONSE_WITHIN = 30.0
"""Seconds for one response of the API."""


class NoAnswer(Exception):
    """The cluster or kubectl did not do what was asked; the text is the reason in their own words."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl with a context and a namespace; empty for those of its user."""

    context: str = ""
    namespace: str = ""

    def run(
        self,
        arguments: Sequence[str],
        *,
        deadline: float = RESPONSE_WITHIN,
        stdin: bytes | None = None,
        last_line: bytes = b"",
    ) -> CompletedCommand:
        """Run a command of kubectl."""
        context = [f"--context={self.context}"] if self.context else []
        namespace = [f"--namespace={self.namespace}"] if self.namespace else []
        line = ["kubectl", *context, *namespace, *arguments]
        return process.run(line, deadline=deadline, stdin=stdin, last_line=last_line)

    def json(self, arguments: Sequence[str], *, stdin: bytes | None = None) -> dict[str, Any]:
        """The object that a command of kubectl prints. Raises NoAnswer."""
        completed = self.run([*arguments, "--output=json"], stdin=stdin)
        if completed.status != 0:
            raise NoAnswer(failure(completed))
        try:
            value = json.loads(completed.stdout)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise NoAnswer(f"kubectl {arguments[0]} printed something else than an object")
        return value

    def execute(
        self, pod: str, container: str, arguments: Sequence[str], *, deadline: float, last_line: bytes = b""
    ) -> CompletedCommand:
        """Run a program in a container of a pod."""
        words, stdin = _transported(arguments)
        completed = self.run(
            ["exec", pod, f"--container={container}", *(["--stdin"] if stdin else []), "--", *words],
            deadline=deadline,
            stdin=stdin,
            last_line=last_line,
        )
        return completed if completed.ended else _ended(completed)


# A command travels in the URL of the request, and proxies before clusters often end at 8 KiB.
_MOST_IN_URL = 3_000

# The shell reads the program to its end before it runs a line of it. An end line, because only newer servers close the
# input of a command.
_LOADER = """script=
while IFS= read -r line; do
  [ "$line" = "$1" ] && break
  script=$script$line'
'
done
eval "$script"
"""


def _transported(arguments: Sequence[str]) -> tuple[list[str], bytes | None]:
    """The words of a command for the API, and its input: a long shell program travels on standard input."""
    shell_program = list(arguments[:2]) == ["/bin/sh", "-c"] and len(arguments) > 3
    if not shell_program or sum(len(word.encode()) for word in arguments) < _MOST_IN_URL:
        return list(arguments), None
    _, _, program, name, *words = arguments
    end = f"END {secrets.token_hex(8)}"
    # The parameters are set before the program runs, so it sees what it would see as arguments.
    text = f"set -- {shlex.join(words)}\n{program}\n{end}\n"
    return ["/bin/sh", "-c", _LOADER, name, end], text.encode()


_EXIT_CODE = re.compile(rb"command terminated with exit code \d+\n?\Z")


def _ended(completed: CompletedCommand) -> CompletedCommand:
    """The end of the program, as far as kubectl's own end tells: both can be 1."""
    if completed.status == 0:
        return completed
    if match := _EXIT_CODE.search(completed.stderr):
        return CompletedCommand(
            completed.status, completed.stdout, completed.stderr[: match.start()], cut=completed.cut
        )
    reason = failure(completed)
    if "exec failed" in reason:
        # The statuses that a shell gives for such a program.
        if "executable file not found" in reason or "no such file" in reason:
            return CompletedCommand(127, completed.stdout, reason.encode())
        if "permission denied" in reason:
            return CompletedCommand(126, completed.stdout, reason.encode())
    return CompletedCommand(None, completed.stdout, completed.stderr, reason, completed.cut)


def failure(completed: CompletedCommand) -> str:
    """The reason why a command of kubectl failed, on one line."""
    if completed.ended:
        return completed.ended
    text = " ".join(completed.stderr.decode("utf-8", errors="replace").split())
    if completed.status == 127 and "kubectl" in text:
        return "kubectl is not installed, or not on PATH"
    return text[:800] or f"kubectl exited with status {completed.status}"
