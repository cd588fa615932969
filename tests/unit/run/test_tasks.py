"""The work of a run."""

from __future__ import annotations

from threading import Event

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


def test_tasks_are_busy_until_the_last_work_has_ended() -> None:
    tasks = Tasks()
    assert not tasks.busy
    ended = Event()
    first, last = tasks.start("first", lambda: None), tasks.start("last", ended.wait)
    first.result()
    assert tasks.busy
    ended.set()
    last.result()
    assert not tasks.busy
    tasks.close()
