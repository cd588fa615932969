"""The work of a run."""

from __future__ import annotations

import pytest

from builder_contracts.run.tasks import Tasks


def test_work_of_one_key_is_done_once() -> None:
    done: list[str] = []
    tasks = Tasks()
    futures = [tasks.start("a", lambda: done.append("a")) for _ in range(5)]
    tasks.start("b", lambda: done.append("b")).result()
    tasks.close()
    assert sorted(done) == ["a", "b"]
    assert len(set(map(id, futures))) == 1


def test_nothing_begins_after_the_end() -> None:
    tasks = Tasks()
    tasks.close()
    with pytest.raises(RuntimeError):
        tasks.start("late", list)
