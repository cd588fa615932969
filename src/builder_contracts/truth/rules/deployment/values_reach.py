"""Compares variables and locals of OpenTofu with their uses: a value that is set is read, and one name reaches every module
that asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from builder_contracts.errors import Location
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.model import TofuCall, TofuModule
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule


@rule("deployment/values-reach", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    model = context.model
    for module in model.modules.values():
        read = {(reference.kind, reference.name) for reference in module.references}
        for name, at in module.locals.items():
            # A name with an underscore is evaluated for its error only.
            if ("local", name) in read or name.startswith("_"):
                yield Agrees(at)
            else:
                actual, whole = (
                    Quote(at, f"local.{name}"),
                    Quote(at, f"{module.path or 'the root'} never reads it"),
                )
                yield Contradicts(actual, whole, "use it, or remove it")
        for call in module.calls:
            called = model.modules.get(call.folder) if call.folder else None
            if called is not None:
                yield from _check_arguments(call, called)
                yield from _check_namesakes(module, call, called)


def _check_arguments(call: TofuCall, called: TofuModule) -> Iterator[RuleResult]:
    """Arguments of a call that the module declares and does not read."""
    read = {reference.name for reference in called.references if reference.kind == "var"}
    for name, at in call.arguments.items():
        variable = called.variables.get(name)
        if variable is not None and name not in read:
            expected = Quote(variable.at, f"{called.path} never reads var.{name}")
            yield Contradicts(
                Quote(at, f"module {call.name} sets {name}"), expected, f"read var.{name} in the module"
            )
        elif variable is not None:
            yield Agrees(at)


def _check_namesakes(module: TofuModule, call: TofuCall, called: TofuModule) -> Iterator[RuleResult]:
    """Variables that caller and module have under one name, and that the caller passes to other modules only.

    What it passes to another call of the same module is a choice for each call.
    """
    for name, variable in called.variables.items():
        if name not in module.variables or name in call.arguments or name in call.variables:
            continue
        passing = [other for other in module.calls if name in other.arguments and name in other.variables]
        chosen = any(other.folder == call.folder for other in passing)
        if variable.required or chosen or not passing:
            continue
        actual = Quote(
            _beside(call, called, name), f"module {call.name} does not get {name}, and takes its own default"
        )
        expected = Quote(passing[0].arguments[name], f"module {passing[0].name} gets var.{name}")
        yield Contradicts(actual, expected, f"pass {name} = var.{name}")


def _beside(call: TofuCall, called: TofuModule, name: str) -> Location:
    """Where the argument would stand: after the last of those that the module declares before it."""
    before = [
        other for other in takewhile(lambda other: other != name, called.variables) if other in call.arguments
    ]
    return call.arguments[before[-1]] if before else call.at
