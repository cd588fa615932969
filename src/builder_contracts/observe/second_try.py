"""Second tries: ask again what a time limit or a signal ended, and let a control command run at the same time.

A tool that hangs does so again. A tool on a busy host, or one that the host killed, does not, or the control is late
too.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from builder_contracts.facts.model import ENDED_FROM_OUTSIDE, ControlFacts, Seen, Unseen
from builder_contracts.observe.inside.answers import ProbeAnswers
from builder_contracts.observe.inside.questions import SEPARATOR
from builder_contracts.runner.protocol import Runner

_SECTIONS = {"tool": "tools", "feature": "features", "work": "work"}
_PAUSE = 2.0
# Many starts of processes, as a tool makes them: about a tenth of a second on an idle host.
_CONTROL = "i=0; while [ $i -lt 100 ]; do (:); i=$((i + 1)); done; echo control"
_CONTROL_WITHIN = 20.0


def ended_from_outside(answers: ProbeAnswers, asked: Sequence[str]) -> list[str]:
    """The questions whose program did not end by itself. Pure."""
    return [question for question in asked if _status(answers, question) in ENDED_FROM_OUTSIDE]


def _tool(question: str) -> str:
    return question.split(SEPARATOR)[1]


def _status(answers: ProbeAnswers, question: str) -> object:
    kind, *words = question.split(SEPARATOR)
    if kind not in _SECTIONS:
        return None
    answer = answers.sections.get(_SECTIONS[kind], {}).get(words[0])
    if kind == "feature" and isinstance(answer, dict):
        answer = answer.get(words[1])
    return answer.get("status") if isinstance(answer, dict) else None


def ask_again(
    answers: ProbeAnswers,
    asked: Sequence[str],
    runner: Runner,
    ask: Callable[[Sequence[str]], ProbeAnswers],
) -> tuple[ProbeAnswers, Seen[ControlFacts]]:
    """The answers, those of a second try before those of the first, and how long the control took meanwhile."""
    over = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="control") as pool:
        controlling = pool.submit(_control, runner, over)
        try:
            second = ask(asked)
        finally:
            over.set()
        control = controlling.result()
    if second.lost:
        return answers, Unseen(second.lost)
    if isinstance(control, ControlFacts):
        hung = {_tool(question) for question in ended_from_outside(second, asked)}
        control = dataclasses.replace(control, recovered=sorted({*map(_tool, asked)} - hung))
    # Of the observation itself the first try counts.
    again = {section: second.sections.get(section, {}) for section in _SECTIONS.values()}
    return ProbeAnswers(again, answers.lost, answers.missing).followed_by(answers), control


def _control(runner: Runner, over: threading.Event) -> Seen[ControlFacts]:
    times: list[float] = []
    while not times or not over.wait(_PAUSE):
        seconds = control(runner)
        if isinstance(seconds, Unseen):
            return seconds
        times.append(seconds)
    return ControlFacts(len(times), max(times))


def control(runner: Runner) -> Seen[float]:
    """The seconds that a command takes which any runner can do, or why it did not."""
    started_at = time.monotonic()
    completed = runner.execute(["/bin/sh", "-c", _CONTROL], deadline=_CONTROL_WITHIN)
    if completed.status != 0 or completed.stdout.strip() != b"control":
        return Unseen(f"a control command failed: {completed.ended or f'status {completed.status}'}")
    return round(time.monotonic() - started_at, 2)
