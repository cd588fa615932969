"""The tasks of one run: each starts once, in one thread pool, and ends before anything is removed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


class Tasks:
    """A registry of futures. Whoever asks for a piece of work first starts it; everybody gets its result."""

    def __init__(self, workers: int = 12) -> None:
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="run")
        self._lock = threading.Lock()
        self._futures: dict[Hashable, Future[Any]] = {}

    def start(self, key: Hashable, work: Callable[[], Result]) -> Future[Result]:
        """Begin the work of that key, unless it has begun."""
        with self._lock:
            if key not in self._futures:
                self._futures[key] = self._pool.submit(work)
            return self._futures[key]

    @property
    def busy(self) -> bool:
        """Whether a piece of work has begun or will, and has not ended."""
        with self._lock:
            return not all(future.done() for future in self._futures.values())

    def close(self) -> None:
        """Wait for what runs; what has not begun never does."""
        self._pool.shutdown(wait=True, cancel_futures=True)
