"""Compares names that OpenTofu refers to with those that their module declares, and arguments of a call with the variables
of the module that it calls.
"""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.contract.schemas import nearest
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.model import TofuCall, TofuModule, TofuReference
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule

_WORDS = {"var": "variable", "local": "local value", "module": "module"}


@rule("deployment/names-declared", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    for module in context.model.modules.values():
        names = {
            "var": module.variables.keys(),
            "local": module.locals.keys(),
            "module": {call.name for call in module.calls},
        }
        for reference in module.references:
            declared = names[reference.kind]
            if reference.name in declared:
                yield Agrees(reference.at)
            else:
                yield _undeclared(module, reference, sorted(declared))
        for call in module.calls:
            called = context.model.modules.get(call.folder)
            if call.folder and called is not None:
                yield from _check_call(call, called)


def _undeclared(module: TofuModule, reference: TofuReference, declared: list[str]) -> Contradicts:
    word, guess = _WORDS[reference.kind], nearest(reference.name, declared)
    missing = f"{module.path or 'the root'} declares no {word} {reference.name}"
    fix = f"did you mean {reference.kind}.{guess}?" if guess else f"declare the {word}, or remove this"
    actual = Quote(reference.at, f"{reference.kind}.{reference.name}")
    return Contradicts(actual, Quote(reference.at, missing), fix)


def _check_call(call: TofuCall, called: TofuModule) -> Iterator[RuleResult]:
    where = f"module {call.name} sets"
    for name, at in call.arguments.items():
        if name in called.variables:
            yield Agrees(at)
            continue
        guess = nearest(name, sorted(called.variables))
        expected = Quote(call.at, f"{called.path} declares no variable {name}")
        fix = f"did you mean {guess}?" if guess else "remove it, or declare the variable"
        yield Contradicts(Quote(at, f"{where} {name}"), expected, fix)
    for name, variable in called.variables.items():
        if variable.required and name not in call.arguments:
            actual = Quote(call.at, f"module {call.name} does not set {name}")
            yield Contradicts(actual, Quote(variable.at, f"{name} has no default"), f"set {name}")
