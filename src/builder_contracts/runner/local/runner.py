"""The host that the harness runs on, observed as a CI job would."""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
import threading
from collections.abc import Sequence

from builder_contracts.facts.model import RunnerFacts, Unseen
from builder_contracts.runner import process
from builder_contracts.runner.local.attribution import identify, this_machine
from builder_contracts.runner.protocol import CompletedCommand, OutsideView


class LocalRunner:
    """This host and this user, in the environment of this process without the variables in ``hidden``.

    What it runs is killed when ``run_ended`` is set.
    """

    def __init__(
        self,
        setting: OutsideView,
        *,
        hidden: frozenset[str] = frozenset(),
        run_ended: threading.Event | None = None,
    ) -> None:
        self.setting = dataclasses.replace(setting, look=self._look)
        self._hidden, self._run_ended = hidden, run_ended

    def execute(
        self, arguments: Sequence[str], *, deadline: float, last_line: bytes = b""
    ) -> CompletedCommand:
        env = {name: value for name, value in os.environ.items() if name not in self._hidden}
        return process.run(
            arguments, deadline=deadline, environment=env, last_line=last_line, run_ended=self._run_ended
        )

    def _look(self, program: str, arguments: Sequence[str], deadline: float) -> CompletedCommand:
        """The same kernel, read without the shell: a Python of the harness about itself, as the job's user."""
        line = [sys.executable, "-I", "-S", "-c", program, "/proc/self", *arguments]
        return self.execute(line, deadline=deadline)


def local_runner(
    labels: Sequence[str] = (),
    *,
    hidden: frozenset[str] = frozenset(),
    run_ended: threading.Event | None = None,
) -> LocalRunner:
    """The runner on this host.

    ``labels`` are the ``runs-on`` labels of the builder class that this host may be a runner of; ``hidden``
    are variables that belong to the harness alone, such as credentials for its proofs; when ``run_ended`` is set, what
    runs is killed.
    """
    attribution = identify(labels, this_machine())
    return LocalRunner(
        OutsideView(
            runner=RunnerFacts(
                kind="local",
                engine="",
                host=f"{platform.node()} ({platform.system()} {platform.release()})",
                cpus=len(os.sched_getaffinity(0)),
                memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
                identity=str(attribution),
                live=attribution.live,
            ),
            image=Unseen("the local runner has no image; use --runner docker", provable_here=False),
            start=Unseen("the local runner does not start images; use --runner docker", provable_here=False),
        ),
        hidden=hidden,
        run_ended=run_ended,
    )
