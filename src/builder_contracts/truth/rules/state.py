"""Which backend holds the state of each stack."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Absent, Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.prose import denies, intends, names_any
from builder_contracts.truth.rule_context import RuleContext, declared, excerpt


def backends(context: RuleContext) -> Iterator[RuleResult]:
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
        here = Quote(
            stack.at, f"backend {stack.backend!r} ({meaning.get(stack.backend, 'not a declared backend')})"
        )
        says = f"the state of {name} is in {by_name[key]!r} ({meaning.get(by_name[key], by_name[key])})"
        mend = "verify where the state is; then correct the backend block, or declare the new place"
        yield Contradicts(here, declared(facts, "backends", key, says=says), mend)


def one_authority(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("state")
    for stack in context.model.stacks:
        if stack.backend is not None:
            yield Agrees(stack.at)
        else:
            here = Quote(stack.at, f"the stack {stack.path} names no backend")
            mend = "add a backend block; without one the state is a local file"
            yield Contradicts(
                here, declared(facts, "backends", says="every stack has a declared backend"), mend
            )


def migrations(context: RuleContext) -> Iterator[RuleResult]:
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
            there = declared(facts, "intended", name, says="intended, not verified")
            yield Contradicts(
                Quote(sentence.at, excerpt(sentence.text)),
                there,
                "say that it is intended, and where the state is today",
            )
    if clean:
        yield Absent(f"no sentence of {len(context.documents)} pages tells of an intended migration as done")
