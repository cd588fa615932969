"""Which backend holds the state of each stack."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.context import Context, declared, excerpt
from builder_contracts.truth.finding import Absent, Agrees, Contradicts, Observation, Side
from builder_contracts.truth.speech import denies, intends, names_any


def backends(context: Context) -> Iterator[Observation]:
    facts = context.facts("state")
    by_name = facts.get("backends")
    meaning = facts.get("backend_names", default={})
    for stack in context.model.stacks:
        if stack.backend is None:
            continue
        name = stack.path.rpartition("/")[2]
        key = name if name in by_name else "default"
        if stack.backend == by_name[key]:
            yield Agrees(stack.at)
            continue
        actual = Side(
            stack.at, f"backend {stack.backend!r} ({meaning.get(stack.backend, 'not a declared backend')})"
        )
        says = f"the state of {name} is in {by_name[key]!r} ({meaning.get(by_name[key], by_name[key])})"
        fix = "check where the state is, then fix the backend block or declare the new location"
        yield Contradicts(actual, declared(facts, "backends", key, says=says), fix)


def one_authority(context: Context) -> Iterator[Observation]:
    facts = context.facts("state")
    for stack in context.model.stacks:
        if stack.backend is not None:
            yield Agrees(stack.at)
        else:
            actual = Side(stack.at, f"stack {stack.path} declares no backend")
            fix = "add a backend block; without it, the state is a local file"
            yield Contradicts(
                actual, declared(facts, "backends", says="every stack has a declared backend"), fix
            )


def migrations(context: Context) -> Iterator[Observation]:
    facts = context.facts("state")
    if not context.sentences:
        return
    clean = True
    for name, data in facts.get("intended", default={}).items():
        for sentence in context.sentences:
            to, what = names_any(sentence.text, data["words"]), names_any(sentence.text, data["about"])
            if not to or not what or denies(sentence.text) or intends(sentence.text):
                continue
            clean = False
            expected = declared(facts, "intended", name, says="intended, not verified")
            yield Contradicts(
                Side(sentence.at, excerpt(sentence.text)),
                expected,
                "state that it is planned, and where the state is today",
            )
    if clean:
        yield Absent(f"none of {len(context.documents)} pages presents a planned migration as done")
