"""Judges promises about processes that run next to the job."""

from __future__ import annotations

import json
from collections import Counter

from builder_contracts.contract.promises.processes import RunningProcess
from builder_contracts.facts.model import NOT_ASKED, Facts, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.verdict import Assessment, broken, kept


def judge(promise: RunningProcess, facts: Facts) -> Assessment:
    inspect = f".processes[{json.dumps(promise.key)}]"
    users = facts.processes.get(promise.key, NOT_ASKED)
    if isinstance(users, Unseen):
        return unproven_because(users, inspect)
    if not users:
        if not promise.running:
            return kept("no such process", inspect=inspect)
        return broken(
            "no such process",
            "nothing in the image or the pool's template starts it, or it ended",
            inspect=inspect,
        )
    seen = ", ".join(f"{count} running as {user}" for user, count in sorted(Counter(users).items()))
    if not promise.running:
        return broken(seen, "the job's ENTRYPOINT, an init or the pool starts it", inspect=inspect)
    if promise.user is not None and {*users} != {promise.user}:
        return broken(seen, "it was started by another user, or did not drop its privileges", inspect=inspect)
    return kept(seen, inspect=inspect)


def explain(promise: RunningProcess) -> Explanation:
    return Explanation(
        how="All processes in the job's PID namespace are listed from /proc, once, when the job has started; those "
        "of the harness do not count. The name is the kernel's: the file name of the program or script, or the name that "
        "the process gave itself. From outside, the same is read from the host's /proc.",
        unproven=f"{RUNNER_LOST}; or /proc does not show the processes of other users (hidepid).",
        why="A job that needs an agent or a daemon fails without it; one that nobody promised holds memory, ports "
        "and rights."
        if promise.running
        else "A daemon that nobody promised holds memory, ports and rights.",
        breaks="An ENTRYPOINT that starts more or less than before, or a pod with other containers.",
        fix=f"Change the start of the job until this holds: {promise.text}.",
    )
