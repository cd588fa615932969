"""A runner on any host that testinfra reaches: ``local://``, ``docker://…``, ``ssh://…``, ``kubectl://…``.

testinfra knows how a command crosses to the host; this module adds what its backends lack, a deadline and
the end of the whole process group.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import Any

from builder_contracts.runner import process
from builder_contracts.runner.protocol import CompletedCommand, OutsideView


class HostRunner:
    """The host behind a testinfra connection string, for instance ``local://``.

    ``hidden`` are variables of this process that nothing there is told.
    """

    def __init__(
        self, connection: str, setting: OutsideView, *, hidden: frozenset[str] = frozenset()
    ) -> None:
        self._connection = connection
        self._hidden = hidden
        self.setting = setting

    def execute(self, arguments: Sequence[str], *, deadline: float) -> CompletedCommand:
        from testinfra.backend import get_backend

        backend: Any = get_backend(self._connection)
        # It would start a Python on the host to ask.
        backend._encoding = "utf-8"
        ends: list[CompletedCommand] = []
        environment = {name: value for name, value in os.environ.items() if name not in self._hidden}

        def run_local(command: str, *words: str) -> Any:
            # What testinfra hands over is a shell command that it has quoted itself.
            line = backend.quote(command, *words)
            done = process.run(["/bin/sh", "-c", line], deadline=deadline, environment=environment)
            ends.append(done)
            return backend.result(done.status or 0, backend.encode(line), done.stdout, done.stderr)

        # Every backend crosses by this one method; replaced on this instance only.
        backend.run_local = run_local
        backend.run(shlex.join(arguments))
        return ends[-1]
