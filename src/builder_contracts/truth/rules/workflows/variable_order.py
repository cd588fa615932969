"""Compares variables on a command line of OpenTofu with files of values that come after them and replace them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from builder_contracts.errors import Location
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.model import Model
from builder_contracts.truth.readers.shell import commands
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import text

# NAME=( … ) and NAME+=( … ) collect the arguments of a later command.
_ARRAY = re.compile(r"\b(\w+)\+?=\(([^()]*)\)")
_ARGUMENT = re.compile(r"""(?<![\w-])--?(var(?:-file)?)(?:=|\s+)["']?([^"'\s]+)""")
_ASSIGNED = re.compile(r"""^\s*(\w+)=["']?(?:\$\{\w+:-)?([\w./-]+\.tfvars(?:\.json)?)""", re.MULTILINE)
_PROGRAMS = frozenset({"tofu", "terraform"})

_Argument = tuple[str, str, int]
"""``var`` or ``var-file``, what it names, and the line of the script."""


@rule("workflows/variable-order", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    for job in context.model.jobs:
        for step in job.steps:
            script = text(step.run)
            if script is None or step.run is None or "-var-file" not in script:
                continue
            first = step.run.at.line + (1 if "\n" in script else 0)
            files = dict(_ASSIGNED.findall(script))
            for arguments in _lines_of_arguments(script):
                yield from _check(context.model, arguments, files, Location(step.run.at.file, first))


def _lines_of_arguments(script: str) -> Iterator[list[_Argument]]:
    """The variables of each command and of each array, in the order in which the program gets them."""
    arrays: dict[str, list[_Argument]] = {}
    for match in _ARRAY.finditer(script):
        line = script.count("\n", 0, match.start(2))
        arrays.setdefault(match[1], []).extend(_arguments(match[2], line))
    yield from arrays.values()
    for command in commands(script):
        if command.words[0] in _PROGRAMS:
            yield [(kind, name, command.line) for kind, name, _ in _arguments(" ".join(command.words), 0)]


def _arguments(words: str, line: int) -> list[_Argument]:
    return [
        (match[1], match[2], line + words.count("\n", 0, match.start()))
        for match in _ARGUMENT.finditer(words)
    ]


def _check(
    model: Model, arguments: Sequence[_Argument], files: dict[str, str], first: Location
) -> Iterator[RuleResult]:
    earlier: dict[str, int] = {}
    for kind, name, line in arguments:
        if kind == "var":
            earlier.setdefault(name.partition("=")[0], line)
            continue
        at = Location(first.file, first.line + line)
        file = files.get(name.strip("${}"), name)
        # Several stacks may have a file of this name: what all of them set is replaced in any case.
        possible = [
            variables
            for path, variables in model.value_files.items()
            if path.rpartition("/")[2] == file.rpartition("/")[2]
        ]
        replaced = [
            variable for variable in earlier if possible and all(variable in sets for sets in possible)
        ]
        unsure = [
            variable for variable in earlier if not possible or any(variable in sets for sets in possible)
        ]
        for variable in replaced:
            place = Location(first.file, first.line + earlier[variable])
            again = Quote(possible[0][variable], f"{file} comes later and sets it again: the last one counts")
            yield Contradicts(Quote(place, f"-var {variable}"), again, "name the file before -var")
        if replaced:
            continue
        if unsure:
            reason = f"{name} may set {unsure[0]} again: which file it is, is known only at run time"
            yield Undetermined(at, reason, decidable=False)
        else:
            yield Agrees(at)
