"""Perform the proof of a state over HTTP: lock it in every way, write with and without the lock, read older ones."""

from __future__ import annotations

from functools import partial

from builder_contracts.prove import http_backend, lookup_identity
from builder_contracts.prove.http_backend import ROLE
from builder_contracts.prove.http_state.record import HttpStateRecord
from builder_contracts.prove.job import StepFailed
from builder_contracts.prove.state_reply import StateReply
from builder_contracts.prove.testbed import Testbed
from builder_contracts.services.principals import ANONYMOUS, READER, WRITER

RACERS = 8
"""How many lock a state at once."""


def prove(bench: Testbed) -> HttpStateRecord:
    """Record what the server replied, step by step. Raises StepFailed."""
    if lost := bench.endpoints[ROLE].lacks(WRITER):
        raise StepFailed.of(lost)
    looker = lookup_identity.choose(bench, ROLE)
    nonce = bench.nonce()
    names = {part: f"proof-{nonce}-{part}" for part in ("state", "race", "reader", "anonymous")}
    first, second, third, following = (f"{nonce}-{index}" for index in range(1, 5))
    marks = ("first", "second", "stale", "next", "first")
    states = [http_backend.content(nonce, serial, mark) for serial, mark in enumerate(marks, start=1)]
    state = names["state"]
    lock = partial(http_backend.lock, bench)
    write = partial(http_backend.write, bench, WRITER, state)
    read = http_backend.request(bench, looker.name, "GET", state)
    racers = [lock(WRITER, names["race"], f"{nonce}-racer-{index}") for index in range(RACERS)]
    steps = {
        "lock": lock(WRITER, state, first),
        "second-lock": lock(WRITER, state, second),
        "release-with-another-id": lock(WRITER, state, second, "DELETE"),
        "anonymous-lock": lock(ANONYMOUS, names["anonymous"], first),
        "lock-after-anonymous": lock(WRITER, names["anonymous"], second),
        "race": {"kind": "race", "requests": racers},
    }
    if looker.name == READER:
        steps["reader-lock"] = lock(READER, names["reader"], first)
        steps["lock-after-reader"] = lock(WRITER, names["reader"], second)
        steps["release-by-reader"] = lock(READER, state, first, "DELETE")
    steps |= {
        # A lock cannot be read: whoever asks for it is told its holder.
        "lock-again": lock(WRITER, state, third),
        "write-without-lock": write(states[0]),
        "write-with-another-id": write(states[0], second),
        "read-unwritten": read,
        "first-write": write(states[0], first),
        "second-write": write(states[1], first),
        "release": lock(WRITER, state, first, "DELETE"),
        "late-write": write(states[2], first),
        "next-lock": lock(WRITER, state, following),
        "stale-write": write(states[2], first),
        "read-after-stale": read,
        "next-write": write(states[3], following),
        "first-version": http_backend.request(bench, looker.name, "GET", f"{state}/versions/1"),
        "second-version": http_backend.request(bench, looker.name, "GET", f"{state}/versions/2"),
        "restore": write(states[4], following),
        "read-restored": read,
    }
    try:
        answers = dict(zip(steps, bench.ask(list(steps.values())), strict=True))
    finally:
        leftovers = http_backend.remove_states(bench, list(names.values()))
    return HttpStateRecord(
        {step: StateReply.of(answer) for step, answer in answers.items()},
        first,
        tuple(states),
        looker.no_reader,
        leftovers,
    )
