"""The workers of xdist, as the process that reports sees them: they end in order, and say what they left behind."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from builder_contracts.runner import interrupts
from builder_contracts.runner.leftovers import Leftovers

if TYPE_CHECKING:
    from builder_contracts.run.pytest_run import PytestRun

# How execnet starts a worker, and how xdist calls it where setproctitle is installed; sources: execnet's
# gateway_io.popen_bootstrapline, and xdist's remote.worker_title.
_WORKER = ("import sys;exec(eval(sys.stdin.readline()))", "[pytest-xdist ")
_LEFT = "builder_contracts_leftovers"
# Seconds for all workers to remove what they created: as long as one container may take.
_PATIENCE = 300.0


def tell_leftovers(config: pytest.Config, leftovers: Leftovers) -> None:
    """Tell the process that reports what this worker left behind."""
    vars(config)["workeroutput"][_LEFT] = [leftovers.refused, leftovers.unchecked]


class Workers:
    """Listens to xdist in the process that reports."""

    def __init__(self, run: PytestRun) -> None:
        self._run = run
        self._nodes: list[Any] = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        if any(name.partition("::")[0].endswith((".yaml", ".yml", ".json")) for name in ids):
            self._nodes.append(node)
            self._run.begin()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """After an interrupt, let the workers end in order: xdist kills them ten seconds after it stops them."""
        if self._run.interruption is None or not self._nodes:
            return
        with interrupts.ignored():
            for worker in psutil.Process().children():
                with contextlib.suppress(psutil.Error):
                    if any(word.startswith(_WORKER) for word in worker.cmdline()):
                        worker.send_signal(signal.SIGTERM)
            for node in self._nodes:
                # It raises what the worker raised, and a timeout.
                with contextlib.suppress(Exception):
                    node.channel.waitclose(_PATIENCE)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        refused, unchecked = getattr(node, "workeroutput", {}).get(_LEFT, ((), ()))
        self._run.leftovers += Leftovers(tuple(refused), tuple(unchecked))
