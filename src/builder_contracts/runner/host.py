"""A runner on any host that testinfra reaches: ``local://``, ``docker://…``, ``ssh://…``, ``kubectl://…``.

testinfra knows how a command crosses to the host; this module adds what its backends lack, a deadline and
the end of the whole process group.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from builder_contracts.runner import process
from builder_contracts.runner.protocol import Completed, Setting


class HostRunner:
    """The host behind a testinfra connection string, for instance ``local://``."""

    def __init__(self, connection: str, setting: Setting) -> None:
        self._connection = connection
        self.setting = setting

    def execute(self, arguments: Sequence[str], *, deadline: float) -> Completed:
        from testinfra.backend import get_backend

        backend: Any = get_backend(self._connection)
        # It would start a Python on the host to ask.
        backend._encoding = "utf-8"
        ends: list[Completed] = []

        def run_local(command: str, *words: str) -> Any:
            # What testinfra hands over is a shell command that it has quoted itself.
            line = backend.quote(command, *words)
            done = process.run(["/bin/sh", "-c", line], deadline=deadline)
            ends.append(done)
            return backend.result(done.status or 0, backend.encode(line), done.stdout, done.stderr)

        # Every backend crosses by this one method; replaced on this instance only.
        backend.run_local = run_local
        backend.run(shlex.join(arguments))
        return ends[-1]
