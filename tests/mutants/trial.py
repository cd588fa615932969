"""Runs the tests of one table row in this process once, then each mutant in a fork of it, with the tests that ran its line."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import resource
import select
import signal
import sys
import time
import types
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import coverage
import pytest
from _pytest.runner import runtestprotocol

from tests.mutants.mutation import Mutant

UNCHANGED = 3
"""Exit status of a fork in which no function that is loaded took the change."""
WAIT = 20
"""How many times its CPU time a mutant may take on the clock: it may sleep, and the machine be busy."""
CONTROL = 60
"""Seconds of CPU time beyond the limit that tests without a mutant may take: they show that they pass, not how soon."""
MEMORY = 4 * 2**30
"""Bytes of address space of a fork: a mutant that fills memory fails instead of the machine."""


class Ending(Enum):
    NOTICED = "noticed"
    SURVIVED = "survived"
    UNCOVERED = "on a line that no test runs"
    UNCHANGED = "not put in"


@dataclass
class Trial:
    """A plugin of pytest in the place of its loop over the tests."""

    source: Path
    candidates: Callable[[], Iterable[Mutant]]
    report: Callable[[Mutant, Ending], None]
    jobs: int
    seconds: float
    """CPU time that a mutant may take beyond five times that of its tests."""
    failed: list[str] = field(default_factory=list)
    durations: dict[str, float] = field(default_factory=dict)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            self.failed.append("the tests could not be collected")
            return True
        measured = coverage.Coverage(data_file=None, config_file=False, source=[str(self.source)])
        measured.start()
        for item, following in _pairs(session.items):
            measured.switch_context(item.nodeid)
            start = time.process_time()
            if not _passed(item, following):
                self.failed.append(item.nodeid)
            self.durations[item.nodeid] = time.process_time() - start
        measured.stop()
        if not self.failed and not self._forks_pass(session.items):
            self.failed.append("the tests fail in a fork without a change")
        if not self.failed:
            self._try_all(session, measured.get_data())
        return True

    def _forks_pass(self, items: list[pytest.Item]) -> bool:
        """The control: what fails without a mutant would count as noticed with any."""
        items = self._quick_first(items)
        pid = self._fork(items, CONTROL + self._limit(items), lambda: True)
        return os.waitpid(pid, 0)[1] == 0

    def _quick_first(self, items: Iterable[pytest.Item]) -> list[pytest.Item]:
        return sorted(items, key=lambda item: self.durations[item.nodeid])

    def _limit(self, items: Iterable[pytest.Item]) -> float:
        return self.seconds + 5 * sum(self.durations[item.nodeid] for item in items)

    def _try_all(self, session: pytest.Session, data: coverage.CoverageData) -> None:
        loaded = Loaded(str(self.source))
        # What is left alone by the collector stays shared between this process and its forks.
        gc.freeze()
        gc.disable()
        lines = functools.cache(lambda module: data.contexts_by_lineno(str(self.source / module)))
        running: dict[int, tuple[int, Mutant, float]] = {}
        try:
            for mutant in self.candidates():
                names = covering(lines(mutant.module), mutant)
                items = self._quick_first(item for item in session.items if item.nodeid in names)
                if not items:
                    self.report(mutant, Ending.UNCOVERED)
                    continue
                while len(running) >= self.jobs:
                    self._collect(running)
                limit = self._limit(items)
                pid = self._fork(items, limit, functools.partial(loaded.put_in, mutant))
                running[os.pidfd_open(pid)] = (pid, mutant, time.monotonic() + WAIT * limit)
            while running:
                self._collect(running)
        finally:
            for pid, _, _ in running.values():
                os.killpg(pid, signal.SIGKILL)
            gc.unfreeze()
            gc.enable()

    def _fork(self, items: list[pytest.Item], limit: float, change: Callable[[], bool]) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            # Python warns of the threads of whoever started it; a fork uses none.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid:
            return pid
        try:
            os.setpgid(0, 0)
            signal.setitimer(signal.ITIMER_PROF, limit)
            # In case nobody is left to end it.
            signal.setitimer(signal.ITIMER_REAL, WAIT * limit)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            silence = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(silence, stream)
            if not change():
                os._exit(UNCHANGED)
            survived = all(_passed(item, following) for item, following in _pairs(items))
        except BaseException:
            # Whatever a mutant brings about is noticed.
            os._exit(1)
        os._exit(0 if survived else 1)

    def _collect(self, running: dict[int, tuple[int, Mutant, float]]) -> None:
        """Wait until a fork ends, and end those whose time is over."""
        poll = select.poll()
        for handle in running:
            poll.register(handle, select.POLLIN)
        patience = min(until for _, _, until in running.values()) - time.monotonic()
        ended = [handle for handle, _ in poll.poll(max(0, patience) * 1000)]
        for handle, (pid, mutant, until) in list(running.items()):
            if handle not in ended and time.monotonic() < until:
                continue
            # A fork's own children die with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            os.close(handle)
            del running[handle]
            endings = {0: Ending.SURVIVED, UNCHANGED: Ending.UNCHANGED}
            self.report(mutant, endings.get(os.waitstatus_to_exitcode(status), Ending.NOTICED))


def covering(contexts: Mapping[int, list[str]], mutant: Mutant) -> set[str]:
    """The names of the tests that ran the mutant's lines, or the head of its statement."""
    lines = {mutant.statement_line, *range(mutant.line, mutant.last_line + 1)}
    return {name for line in lines for name in contexts.get(line, ()) if name}


class Loaded:
    """The functions of the product that are loaded, wherever a name of theirs is, and the caches of results."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._functions = defaultdict[str, list[types.FunctionType]](list)
        self._caches: list[Any] = []
        for thing in gc.get_objects():
            if isinstance(thing, types.FunctionType) and thing.__code__.co_filename.startswith(source):
                self._functions[thing.__code__.co_filename].append(thing)
            elif type(thing) is functools._lru_cache_wrapper:
                self._caches.append(thing)

    def put_in(self, mutant: Mutant) -> bool:
        """Give the functions of the module the mutant's code, and forget what they answered; false if none changes."""
        path = f"{self._source}/{mutant.module}"
        codes = {
            (code.co_qualname, code.co_firstlineno): code
            for code in _codes(compile(mutant.source, path, "exec", dont_inherit=True))
        }
        replaced = False
        for function in self._functions[path]:
            own = function.__code__
            code = codes.get((own.co_qualname, own.co_firstlineno))
            # Below the change, lines may have other numbers.
            if code is None or code == own or own.co_firstlineno > mutant.line:
                continue
            if code.co_freevars != own.co_freevars:
                return False
            function.__code__ = code
            replaced = True
        for cache in self._caches:
            cache.cache_clear()
        return replaced


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _pairs(items: list[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    return zip(items, [*items[1:], None], strict=True)


def _passed(item: pytest.Item, following: pytest.Item | None) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))
